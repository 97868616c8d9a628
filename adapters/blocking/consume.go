package blocking

import (
	"cmp"
	"context"
	"iter"
	"math"
	"slices"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// Consume describes a consumer for Channel.Consume.
type Consume struct {
	Queue     string // must exist; empty for the one declared last on the channel
	Tag       string // name of the consumer in its channel; empty lets the broker choose
	Prefetch  int    // deliveries that may be unacknowledged at a time, up to 65535; 0 means 128, Unlimited no bound
	NoAck     bool   // messages count as acknowledged when they are sent
	Exclusive bool   // be the queue's only consumer
	Arguments Table  // such as x-priority
}

// Unlimited as Consume.Prefetch lets the broker send all it has.
const Unlimited = -1

const (
	defaultPrefetch = 128
	// looseInbox is how many messages wait for a consumer without prefetch
	// before the connection stops reading.
	looseInbox = 1024
)

var errNoOptions = &ConfigError{Field: "options", Value: "nil", Want: "set, to name the queue"}

// consumer is one running Consume.
type consumer struct {
	ch       *Channel
	request  *wire.BasicConsume // on the loop
	prefetch int
	tag      string                            // as the broker confirmed it, empty while it has not; on the loop
	first    func(*wire.BasicConsumeOk, error) // who waits for the first start; on the loop
	inbox    *inbox
	local    []*Delivery // taken and not yet seen; the consumer's goroutine only
}

// Consume starts a consumer and returns its deliveries, one by one, until the
// loop over them is left. Each is the caller's to keep, and to Ack, Nack or
// Reject from any goroutine.
//
//	for d, err := range ch.Consume(ctx, &blocking.Consume{Queue: "jobs"}) {
//		if err != nil {
//			return err
//		}
//		…
//	}
//
// An error is always the last pair: the broker's refusal, ErrCanceled when it
// ended the consumer, ErrClosed when the channel ended, or ctx's. Leaving the
// loop, in whatever way, cancels the consumer and gives back to the queue what
// the loop has not seen (except with NoAck: that is lost).
//
// Several loops may run on one channel. The consumer starts when the loop does;
// each loop over the result is a consumer of its own.
func (ch *Channel) Consume(ctx context.Context, opts *Consume) iter.Seq2[*Delivery, error] {
	return func(yield func(*Delivery, error) bool) {
		k, err := ch.startConsumer(ctx, opts)
		if err != nil {
			yield(nil, err)
			return
		}
		defer k.leave(ctx)
		for {
			items, wasFull, err := k.inbox.take(ctx)
			if err != nil {
				yield(nil, err)
				return
			}
			if wasFull {
				ch.conn.notify() // reading may go on
			}
			for k.local = items; len(k.local) > 0; {
				d := k.local[0]
				k.local = k.local[1:]
				if ctx.Err() != nil {
					k.local = append([]*Delivery{d}, k.local...)
					break
				}
				if d.stale() {
					continue
				}
				k.inbox.taken.Store(int32(len(k.local)))
				if !yield(d.handed(ctx, opts.Queue), nil) {
					return
				}
			}
		}
	}
}

func (opts *Consume) prefetch() (int, error) {
	if opts == nil {
		return 0, errNoOptions
	}
	switch n := opts.Prefetch; {
	case opts.NoAck || n == Unlimited:
		return 0, nil
	case n == 0:
		return defaultPrefetch, nil
	case n < 0 || n > math.MaxUint16:
		return 0, &ConfigError{Field: "Prefetch", Value: n, Want: "1 to 65535, or Unlimited"}
	default:
		return n, nil
	}
}

// startConsumer sets the prefetch and starts the consumer in one go.
func (ch *Channel) startConsumer(ctx context.Context, opts *Consume) (*consumer, error) {
	prefetch, err := opts.prefetch()
	if err != nil {
		return nil, err
	}
	k := &consumer{ch: ch, prefetch: prefetch, inbox: newInbox(looseInbox, opts.NoAck)}
	if prefetch > 0 {
		k.inbox.limit = prefetch
	}
	w := newWaiter[*wire.BasicConsumeOk]()
	k.first = func(ok *wire.BasicConsumeOk, err error) {
		if !w.offer(ok, err) && err == nil {
			k.orphaned()
		}
	}
	err = w.send(ctx, ch.conn, op{kind: opCall, ch: ch, call: &callOp{w, func(*core.Conn) error {
		k.request = &wire.BasicConsume{
			Queue: ch.queueName(opts.Queue), ConsumerTag: opts.Tag, NoAck: opts.NoAck,
			Exclusive: opts.Exclusive, Arguments: opts.Arguments.Clone(),
		}
		return k.start()
	}}})
	return k, err
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
	d := newDelivery(k.ch, m, k.request.NoAck)
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
		k.ch.core.Close(wire.ReplySuccess, "inbox is full")
	}
}

// leave cancels the consumer, then gives back what its loop has not seen, and
// waits for the broker to confirm. It does not wait for long: where the channel
// has ended or the broker is gone, there is nothing to cancel.
func (k *consumer) leave(ctx context.Context) {
	w := newWaiter[*wire.BasicCancelOk]()
	ended := k.inbox.hasEnded()
	if !ended {
		err := k.ch.conn.enqueue(op{kind: opCall, ch: k.ch, call: &callOp{w, func(*core.Conn) error {
			return k.cancel(w.settle)
		}}})
		ended = err != nil
	}
	for _, d := range append(k.local, k.inbox.leave()...) {
		k.refuse(d)
	}
	if ended || k.ch.conn.isLost() {
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

// Get describes a fetch for Channel.Get.
type Get struct {
	Queue string // must exist; empty for the one declared last on the channel
	NoAck bool   // the message counts as acknowledged when it is sent
}

// Get fetches one message, nil when the queue has none. Consume is much faster
// for more than a few.
func (ch *Channel) Get(ctx context.Context, opts *Get) (*Delivery, error) {
	if opts == nil {
		return nil, errNoOptions
	}
	var got *Delivery
	done := ch.calling(ctx, wire.BasicGetID)
	w := newWaiter[wire.Method]()
	err := w.send(ctx, ch.conn, op{kind: opCall, ch: ch, call: &callOp{w, func(*core.Conn) error {
		req := &wire.BasicGet{Queue: ch.queueName(opts.Queue), NoAck: opts.NoAck}
		return counted(ch.conn, func(done func(*core.Delivery, error)) error {
			return ch.core.Get(req, done)
		}, func(d *core.Delivery, err error) {
			if d != nil {
				got = newDelivery(ch, d, req.NoAck)
			}
			if !w.offer(nil, err) && d != nil && !req.NoAck {
				ch.core.Nack(d.DeliveryTag, false, true)
				ch.countSettled(opNack, 1)
			}
		})
	}}})
	done.run(err)
	if err != nil {
		return nil, err
	}
	return got.handed(ctx, opts.Queue), nil
}
