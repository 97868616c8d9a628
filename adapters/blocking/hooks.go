package blocking

import (
	"context"

	"github.com/haypile/haypile/core/wire"
)

// MethodID names a method; its String is as in "queue.declare".
type MethodID = wire.MethodID

// Hooks are told what a connection and its channels do, while it is done: enough
// to trace and to measure a program without a change of its code. Each may be nil,
// which costs nothing. They run in the goroutine of the caller that they tell of,
// unless they say otherwise, so they must be safe for many goroutines at once; no
// hook runs where it could hold up the connection.
type Hooks struct {
	// Open is told first, once of each connection that has opened. Dial returns when it
	// has, so Open must not wait for who dials. Like Close and Event it runs in the
	// goroutine that runs AddCallbackThreadsafe's callbacks.
	Open func(c *Conn)
	// Close is told last of the end, with what Err says.
	Close func(c *Conn, err error)
	// Event is told what WithEvents is, but for Ended, which Close is.
	Event func(c *Conn, e Event)

	// Publish is told of a message before it is queued, with the publisher's
	// context, and returns the one to publish: p, or a changed copy, since p is the
	// caller's and must stay as it is. done, if not nil, is called once with what
	// the publish returns, when it does: with confirms, the outcome. Of
	// PublishDeferred it is called when the outcome is known, in a goroutine of its
	// own.
	Publish func(ctx context.Context, ch *Channel, p *Publishing) (send *Publishing, done func(err error))
	// Deliver is told of a message when the program gets it, from the queue as
	// Consume or Get names it, with their context. What it returns becomes the
	// message's own (Delivery.Context).
	Deliver func(ctx context.Context, queue string, d *Delivery) context.Context
	// Settle is told that the program acks or refuses a message. err is what the
	// program gets: non-nil means that nothing was sent. A second attempt
	// (ErrSettled) is not told.
	Settle func(d *Delivery, how Settlement, err error)
	// Call is told of a request and returns what is called with its outcome, or nil.
	// Requests are Get, and those methods of Channel that are named after one of
	// AMQP's, such as QueueDeclare.
	Call func(ctx context.Context, ch *Channel, method MethodID) (done func(err error))
}

// Settlement is what a program decides about a message.
type Settlement uint8

// The settlements.
const (
	Acked     Settlement = iota // dealt with
	Requeued                    // to be delivered again
	Discarded                   // dropped or dead-lettered
)

// String is a word for the settlement.
func (s Settlement) String() string {
	switch s {
	case Acked:
		return "acked"
	case Requeued:
		return "requeued"
	case Discarded:
		return "discarded"
	}
	return "unknown"
}

// WithHooks has h told what the connection does. Several ones are told in the
// order of the options; a message passes through all of them.
func WithHooks(h Hooks) Option { return func(s *settings) { s.hooks = append(s.hooks, h) } }

// Conn is the connection that the channel belongs to.
func (ch *Channel) Conn() *Conn { return ch.conn }

// Context is the context of the Consume or Get that the message came by, with
// what Hooks.Deliver added, such as a trace span.
func (d *Delivery) Context() context.Context {
	if d.ctx == nil {
		return context.Background()
	}
	return d.ctx
}

// Settled tells that the message needs no ack any more: it was acked, nacked or
// rejected, or came without need of one.
func (d *Delivery) Settled() bool { return d.settled.Load() }

// finishers are what hooks want called with an outcome.
type finishers []func(error)

func (f finishers) run(err error) {
	for _, done := range f {
		done(err)
	}
}

// publishing runs the hooks for a message, and returns the one to publish.
func (ch *Channel) publishing(ctx context.Context, p *Publishing) (*Publishing, finishers) {
	if len(ch.conn.hooks) == 0 || p == nil {
		return p, nil
	}
	var all finishers
	for i := range ch.conn.hooks {
		if hook := ch.conn.hooks[i].Publish; hook != nil {
			var done func(error)
			if p, done = hook(ctx, ch, p); done != nil {
				all = append(all, done)
			}
		}
	}
	return p, all
}

// calling runs the hooks for a request.
func (ch *Channel) calling(ctx context.Context, method MethodID) finishers {
	var all finishers
	for i := range ch.conn.hooks {
		if hook := ch.conn.hooks[i].Call; hook != nil {
			if done := hook(ctx, ch, method); done != nil {
				all = append(all, done)
			}
		}
	}
	return all
}

// handed is told that the program gets the message; nil is none.
func (d *Delivery) handed(ctx context.Context, queue string) *Delivery {
	if d == nil {
		return nil
	}
	for i := range d.ch.conn.hooks {
		if hook := d.ch.conn.hooks[i].Deliver; hook != nil {
			ctx = hook(ctx, queue, d)
		}
	}
	d.ctx = ctx
	return d
}

// settling runs the hooks for a settlement, and returns its error.
func (d *Delivery) settling(kind opKind, requeue bool, err error) error {
	if len(d.ch.conn.hooks) == 0 || d.ctx == nil { // nil: given back unseen
		return err
	}
	how := Discarded
	switch {
	case kind == opAck:
		how = Acked
	case requeue:
		how = Requeued
	}
	for i := range d.ch.conn.hooks {
		if hook := d.ch.conn.hooks[i].Settle; hook != nil {
			hook(d, how, err)
		}
	}
	return err
}
