package blocking

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// consumer is one running Consume.
type consumer struct {
	ch       *Channel
	request  *wire.BasicConsume // on the loop
	prefetch int
	tag      string                            // as the broker confirmed it, empty while it has not; on the loop
	first    func(*wire.BasicConsumeOk, error) // who waits for the first start; on the loop
	inbox    *inbox
	place    place
	bodies   *bodies // nil: each has memory of its own

	// The consumer's goroutine only.
	taken  []*Delivery   // from the inbox
	local  []*Delivery   // the part of it that was not seen yet
	waited time.Duration // for the next delivery, with bodies
}

// startConsumer sets the prefetch and starts the consumer in one go.
func (ch *Channel) startConsumer(ctx context.Context, opts *Consume) (*consumer, error) {
	if err := opts.check(); err != nil {
		return nil, err
	}
	k := &consumer{ch: ch, prefetch: opts.prefetch(), inbox: newInbox(looseInbox, opts.NoAck)}
	if k.prefetch > 0 {
		k.inbox.limit = k.prefetch
	}
	if opts.ReuseBodies {
		k.bodies = &bodies{}
	}
	w := newWaiter[*wire.BasicConsumeOk]()
	k.first = func(ok *wire.BasicConsumeOk, err error) {
		if !w.offer(ok, err) && err == nil {
			k.orphaned()
		}
	}
	w.run = func(*core.Conn) error {
		k.request = &wire.BasicConsume{
			Queue: ch.queueName(opts.Queue), ConsumerTag: opts.Tag, NoAck: opts.NoAck,
			Exclusive: opts.Exclusive, Arguments: opts.arguments(),
		}
		return k.start()
	}
	return k, w.send(ctx, ch.conn, op{kind: opCall, ch: ch, call: &w.self})
}

// start starts the consumer for the first time, on the loop. If the connection is
// lost before the broker answers, recovery starts it.
func (k *consumer) start() error {
	err := k.ask(func(ok *wire.BasicConsumeOk, err error) {
		if err == nil {
			k.began(ok, nil)
			return
		}
		if cc := k.ch.core.Conn(); cc.State() == core.StateClosed && k.ch.conn.decide(cc) == fateLost {
			return
		}
		k.remove()
		k.began(nil, err)
	})
	if err == nil {
		k.ch.consumers = append(k.ch.consumers, k)
		k.ch.conn.has(k)
	}
	return err
}

// ask makes the requests for a consumer.
func (k *consumer) ask(done func(*wire.BasicConsumeOk, error)) error {
	if err := k.ch.core.Qos(&wire.BasicQos{PrefetchCount: uint16(k.prefetch)}, nil); err != nil {
		return err
	}
	return counted(k.ch.conn, func(done func(*wire.BasicConsumeOk, error)) error {
		return k.ch.core.Consume(k.request, k.deliver, done)
	}, done)
}

// began is told on the loop that the broker has the consumer, or will not have it.
func (k *consumer) began(ok *wire.BasicConsumeOk, err error) {
	if err == nil {
		k.tag = ok.ConsumerTag
		k.request.Queue = cmp.Or(k.request.Queue, k.ch.lastQueue)
	}
	if first := k.first; first != nil {
		k.first = nil
		first(ok, err)
	}
}

// remove takes the consumer from its channel, on the loop.
func (k *consumer) remove() {
	k.ch.conn.lacks(k)
	k.ch.consumers = slices.DeleteFunc(k.ch.consumers, func(other *consumer) bool { return other == k })
}

// orphaned cancels, on the loop, a consumer whose caller stopped waiting for it.
func (k *consumer) orphaned() {
	k.cancel(func(*wire.BasicCancelOk, error) {})
	for _, d := range k.inbox.leave() {
		k.refuse(d)
	}
}

// cancel ends the consumer, on the loop, also for the recovery after it.
func (k *consumer) cancel(done func(*wire.BasicCancelOk, error)) error {
	k.remove()
	k.forgetQueue()
	if k.tag == "" { // lost, and not started again
		done(nil, nil)
		return nil
	}
	return counted(k.ch.conn, func(done func(*wire.BasicCancelOk, error)) error {
		return k.ch.core.Cancel(&wire.BasicCancel{ConsumerTag: k.tag}, done)
	}, done)
}

// forgetQueue tells the record, if this was the queue's last consumer.
func (k *consumer) forgetQueue() {
	c := k.ch.conn
	c.mu.Lock()
	channels := c.channels
	c.mu.Unlock()
	for _, ch := range channels {
		for _, other := range ch.consumers {
			if other.request.Queue == k.request.Queue {
				return
			}
		}
	}
	c.turn.record.unused(k.request.Queue)
}

// refuse gives a message back to its queue, behind all that is queued: behind
// the cancel, or the broker would send it again.
func (k *consumer) refuse(d *Delivery) {
	_ = d.Nack(true) // with NoAck it is settled already; where the channel is gone, the broker has it
}

// deliver puts a message into the inbox, on the loop.
func (k *consumer) deliver(m *core.Delivery) {
	d := newDelivery(k.ch, m, k.request.NoAck, k.bodies)
	if k.ch.replies {
		k.ch.replied(d)
		return
	}
	k.place.delivered(d)
	if !k.inbox.put(d) {
		k.refuse(d)
		return
	}
	c := k.ch.conn
	if !k.inbox.full() {
		return
	}
	c.turn.full[k] = struct{}{}
	if k.inbox.overflows() {
		c.mu.Lock()
		k.ch.err = ErrInboxOverflow
		c.mu.Unlock()
		k.ch.leaving = true
		k.ch.core.Close(wire.ReplySuccess, "inbox is full")
	}
}

// forever is the patience of those who wait for as long as it takes.
const forever time.Duration = math.MaxInt64

// next waits for the next delivery that can still be settled. ErrInactive: there
// was none for as long as patience, and the next call may get one.
func (k *consumer) next(ctx context.Context, patience time.Duration) (*Delivery, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if len(k.local) == 0 {
			items, err := k.await(ctx, patience)
			if err != nil {
				return nil, err
			}
			k.taken, k.local = items, items
			if len(items) > k.inbox.limit {
				k.ch.conn.notify() // which may have stopped reading
			}
		}
		d := k.local[0]
		k.local[0], k.local = nil, k.local[1:]
		k.inbox.taken.Store(int32(len(k.local)))
		if !d.stale() {
			return d, nil
		}
	}
}

// unread undoes next.
func (k *consumer) unread(d ...*Delivery) { k.local = append(d, k.local...) }

// leave cancels the consumer, then gives back what its loop has not seen, and
// waits for the broker to confirm. It does not wait for long: where the channel
// has ended or the broker is gone, there is nothing to cancel.
func (k *consumer) leave(ctx context.Context) {
	w := newWaiter[*wire.BasicCancelOk]()
	ended := k.inbox.hasEnded()
	if !ended {
		w.run = func(*core.Conn) error { return k.cancel(w.settle) }
		ended = k.ch.conn.enqueue(op{kind: opCall, ch: k.ch, call: &w.self}) != nil
	}
	for _, d := range append(k.local, k.inbox.leave()...) {
		k.refuse(d)
	}
	if ended || k.ch.isAway() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), core.DefaultCloseTimeout)
	defer cancel()
	select {
	case <-w.done:
	case <-k.ch.done:
	case <-ctx.Done():
	}
}
