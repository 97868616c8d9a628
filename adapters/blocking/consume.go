package blocking

import (
	"context"
	"iter"
	"math"

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
	ch    *Channel
	tag   string // as the broker confirmed it; on the loop
	noAck bool
	inbox *inbox
	local []*Delivery // taken and not yet seen; the consumer's goroutine only
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
				ch.conn.driver.Notify() // reading may go on
			}
			for k.local = items; len(k.local) > 0; {
				d := k.local[0]
				k.local = k.local[1:]
				if ctx.Err() != nil {
					k.local = append([]*Delivery{d}, k.local...)
					break
				}
				if !yield(d, nil) {
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
	k := &consumer{ch: ch, noAck: opts.NoAck, inbox: newInbox(looseInbox)}
	if prefetch > 0 {
		k.inbox.limit = prefetch
	}
	req := &wire.BasicConsume{Queue: opts.Queue, ConsumerTag: opts.Tag, NoAck: opts.NoAck, Exclusive: opts.Exclusive, Arguments: opts.Arguments}
	w := newWaiter[*wire.BasicConsumeOk]()
	err = w.send(ctx, ch.conn, op{kind: opCall, ch: ch, call: &callOp{w, func(*core.Conn) error {
		err := ch.core.Qos(&wire.BasicQos{PrefetchCount: uint16(prefetch)}, nil)
		if err != nil {
			return err
		}
		return counted(ch.conn, func(done func(*wire.BasicConsumeOk, error)) error {
			return ch.core.Consume(req, k.deliver, done)
		}, func(ok *wire.BasicConsumeOk, err error) {
			if err == nil {
				k.started(ok.ConsumerTag)
			}
			if !w.offer(ok, err) && err == nil {
				k.orphaned()
			}
		})
	}}})
	return k, err
}

// started is told on the loop that the broker has the consumer.
func (k *consumer) started(tag string) {
	k.tag = tag
	k.ch.consumers[k] = struct{}{}
}

// orphaned cancels, on the loop, a consumer whose caller stopped waiting for it.
func (k *consumer) orphaned() {
	delete(k.ch.consumers, k)
	k.ch.core.Cancel(&wire.BasicCancel{ConsumerTag: k.tag}, nil)
	for _, d := range k.inbox.leave() {
		k.refuse(d.DeliveryTag)
	}
}

// refuse gives a message back to its queue, behind all that is queued: behind
// the cancel, or the broker would send it again.
func (k *consumer) refuse(tag uint64) {
	if !k.noAck {
		k.ch.conn.enqueue(op{kind: opNack, ch: k.ch, tag: tag, flag: true})
	}
}

// deliver puts a message into the inbox, on the loop.
func (k *consumer) deliver(d *core.Delivery) {
	if !k.inbox.put(newDelivery(k.ch, d, k.noAck)) {
		k.refuse(d.DeliveryTag)
		return
	}
	c := k.ch.conn
	if !k.inbox.full() {
		return
	}
	c.loop.full[k] = struct{}{}
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
		k.ch.conn.enqueue(op{kind: opCall, ch: k.ch, call: &callOp{w, func(*core.Conn) error {
			delete(k.ch.consumers, k)
			return counted(k.ch.conn, func(done func(*wire.BasicCancelOk, error)) error {
				return k.ch.core.Cancel(&wire.BasicCancel{ConsumerTag: k.tag}, done)
			}, w.settle)
		}}})
	}
	for _, d := range append(k.local, k.inbox.leave()...) {
		d.Nack(true) // with NoAck it is settled already
	}
	if ended {
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
	req := &wire.BasicGet{Queue: opts.Queue, NoAck: opts.NoAck}
	w := newWaiter[wire.Method]()
	err := w.send(ctx, ch.conn, op{kind: opCall, ch: ch, call: &callOp{w, func(*core.Conn) error {
		return counted(ch.conn, func(done func(*core.Delivery, error)) error {
			return ch.core.Get(req, done)
		}, func(d *core.Delivery, err error) {
			if d != nil {
				got = newDelivery(ch, d, req.NoAck)
			}
			if !w.offer(nil, err) && d != nil && !req.NoAck {
				ch.core.Nack(d.DeliveryTag, false, true)
			}
		})
	}}})
	if err != nil {
		return nil, err
	}
	return got, nil
}
