package blocking

import (
	"context"
	"iter"
	"math"
	"time"
)

// Consume describes a consumer for Channel.Consume.
type Consume struct {
	Queue     string // must exist; empty for the one declared last on the channel
	Tag       string // name of the consumer in its channel; empty lets the broker choose
	Prefetch  int    // deliveries that may be unacknowledged at a time, up to 65535; 0 means 128, Unlimited no bound
	NoAck     bool   // messages count as acknowledged when they are sent
	Exclusive bool   // be the queue's only consumer
	// Priority is the consumer's: the queue prefers those with a higher one as long
	// as they may have more deliveries. 0 is the broker's default.
	// https://www.rabbitmq.com/docs/consumer-priority
	Priority int
	// Arguments are the consumer's, such as "x-stream-offset": where to begin in a
	// stream. After a recovery the consumer goes on from the first message that was
	// not settled, or else from the one behind the latest that came.
	// https://www.rabbitmq.com/docs/streams#consuming
	Arguments Table
	// Inactivity has the loop get ErrInactive, with a nil delivery, whenever it has
	// waited that long for one, to do something else meanwhile; it then goes on. 0
	// means never.
	Inactivity time.Duration
	// ReuseBodies has bodies share memory, of which each gets its own otherwise. It
	// is for programs that are done with a body when they go on, and worth it where
	// bodies are large: for those, fresh memory costs more than all else. Body is
	// then lent, until the loop's next turn or until Handle's function returns, and
	// nil afterwards; what is needed longer is to be copied (bytes.Clone). A body of
	// which HandlerFailed tells is not taken back. The rest of a Delivery, and when
	// it may be acked, are as ever. Programs built with -race find lent bodies
	// overwritten afterwards. ConsumeBatches does not have it.
	ReuseBodies bool
}

// Unlimited as Consume.Prefetch lets the broker send all it has. As Params.Attempts
// it has Dial try until its context ends.
const Unlimited = -1

const (
	defaultPrefetch = 128
	maxPrefetch     = math.MaxUint16
	// looseInbox is how many messages wait for a consumer without prefetch
	// before the connection stops reading.
	looseInbox = 1024
)

var errNoOptions = &ConfigError{Field: "options", Value: "nil", Want: "set, to name the queue"}

// Consume starts a consumer and returns its deliveries, one by one, until the
// loop over them is left. Each is the caller's to keep (but for the body, with
// Consume.ReuseBodies), and to Ack, Nack or Reject from any goroutine.
//
//	for d, err := range ch.Consume(ctx, &blocking.Consume{Queue: "jobs"}) {
//		if err != nil {
//			return err
//		}
//		…
//	}
//
// An error is the last pair: the broker's refusal, ErrCanceled when it ended the
// consumer, ErrClosed when the channel ended, or ctx's. The one exception is
// ErrInactive, which comes only where Consume.Inactivity asks for it. Leaving the
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
		for patience := opts.patience(); ; {
			d, err := k.next(ctx, patience)
			var goOn bool
			if err == nil {
				goOn = k.bodies.lend(ctx, opts.Queue, d, yield)
			} else {
				goOn = yield(nil, err) && err == ErrInactive
			}
			if !goOn {
				return
			}
		}
	}
}

// check finds what is wrong with the options.
func (opts *Consume) check() error {
	switch {
	case opts == nil:
		return errNoOptions
	case opts.Prefetch < Unlimited || opts.Prefetch > maxPrefetch:
		return &ConfigError{Field: "Prefetch", Value: opts.Prefetch, Want: "1 to 65535, or Unlimited"}
	case opts.Inactivity < 0:
		return &ConfigError{Field: "Inactivity", Value: opts.Inactivity, Want: "positive, or 0 for never"}
	}
	return nil
}

// prefetch is what basic.qos is told: 0 for no bound.
func (opts *Consume) prefetch() int {
	switch {
	case opts.NoAck || opts.Prefetch == Unlimited:
		return 0
	case opts.Prefetch == 0:
		return defaultPrefetch
	}
	return opts.Prefetch
}

// patience is how long to wait for a delivery.
func (opts *Consume) patience() time.Duration {
	if opts.Inactivity == 0 {
		return forever
	}
	return opts.Inactivity
}

// arguments are the user's, with the priority.
func (opts *Consume) arguments() Table {
	t := opts.Arguments.Clone()
	if opts.Priority != 0 {
		if t == nil {
			t = Table{}
		}
		t["x-priority"] = opts.Priority
	}
	return t
}
