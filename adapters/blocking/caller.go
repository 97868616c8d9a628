package blocking

import (
	"context"
	"strconv"
	"sync/atomic"

	"github.com/haypile/haypile/core"
)

// replyTo is RabbitMQ's pseudo-queue for replies straight to the channel that
// consumes from it. https://www.rabbitmq.com/docs/direct-reply-to
const replyTo = "amq.rabbitmq.reply-to"

// Caller makes requests to other programs and gets their replies, on a channel of
// its own, by RabbitMQ's direct reply-to: no queue is declared for the replies. Its
// methods may be called from any number of goroutines at once.
//
// It survives the loss of the connection, and the mistakes of its users: when the
// broker closes the channel, over a request to an exchange that does not exist for
// instance, the channel is opened again, whatever Recovery says.
type Caller struct {
	ch   *Channel
	last atomic.Uint64 // number of a call
}

// Caller opens a channel for calls. Errors: those of Channel, and the broker's if
// it has no direct reply-to.
func (c *Conn) Caller(ctx context.Context) (*Caller, error) {
	ch := newChannel(c)
	ch.replies = true
	if err := ch.openFirst(ctx); err != nil {
		return nil, err
	}
	if _, err := ch.startConsumer(ctx, &Consume{Queue: replyTo, NoAck: true}); err != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), core.DefaultCloseTimeout)
		defer cancel()
		_ = ch.Close(ctx) // the consumer's error says more
		return nil, err
	}
	return &Caller{ch: ch}, nil
}

// Call sends a request and waits for the reply, which needs no ack. Any number of
// calls may wait at a time; they are told apart by their correlation-ids, which
// Call sets, as it does reply-to and Mandatory. p and all it refers to may be
// reused when Call returns; give its properties by Properties, not RawProperties.
//
// Errors: a *ReplyError for a reply with ErrorHeader; ErrUnroutable at once when no
// queue takes the request; ErrUnknownOutcome when the connection is lost, or the
// channel closed, before the reply, also when that was over another request; the
// context's, after which a late reply is dropped; and those of Publish, each of
// which means that nothing was sent. While the connection is lost, calls wait for
// it. WithRPCTimeout does not matter: how long a program may take to answer is for
// the context to say.
func (r *Caller) Call(ctx context.Context, p *Publishing) (_ *Delivery, err error) {
	p, done := r.ch.publishing(ctx, p)
	defer func() { done.run(err) }()
	call := r.last.Add(1)
	request, err := asCall(call, p)
	if err != nil {
		return nil, err
	}
	o := &outcome{call: call}
	if err := r.ch.publish(ctx, request, o); err != nil {
		return nil, err
	}
	select {
	case <-o.await():
		if o.err != nil {
			return nil, o.err
		}
		if err := asError(o.reply); err != nil {
			return nil, err
		}
		return o.reply, nil
	case <-ctx.Done():
		_ = r.ch.conn.enqueue(op{kind: opForget, ch: r.ch, tag: call}) // an error: nobody is waited for any more
		return nil, ctx.Err()
	}
}

// Close closes the channel. Calls under way end with ErrUnknownOutcome. Errors as
// Channel.Close's.
func (r *Caller) Close(ctx context.Context) error { return r.ch.Close(ctx) }

// asCall is the message as it is sent.
func asCall(call uint64, p *Publishing) (*Publishing, error) {
	m, props, err := addressed(p)
	if err != nil {
		return nil, err
	}
	props.ReplyTo, props.CorrelationID = replyTo, strconv.FormatUint(call, 10)
	m.Mandatory = true
	return m, nil
}

// addressed is a copy of a message whose properties can be changed.
func addressed(p *Publishing) (*Publishing, *Properties, error) {
	switch {
	case p == nil:
		return nil, nil, &ConfigError{Field: "publishing", Value: "nil", Want: "set"}
	case p.RawProperties != nil:
		return nil, nil, &ConfigError{Field: "RawProperties", Value: "set", Want: "nil, since some properties are filled in"}
	}
	m, props := *p, Properties{}
	if p.Properties != nil {
		props = *p.Properties
	}
	m.Properties = &props
	return &m, &props, nil
}

// replied gives a reply to its call, on the loop. One that came late is dropped.
func (ch *Channel) replied(d *Delivery) {
	ch.flaps = 0 // it does what it is for
	if o := ch.takeCall(d.Properties); o != nil {
		o.reply = d
		ch.settle(o, nil)
	}
}

// unroutable ends, on the loop, the call whose request came back.
func (ch *Channel) unroutable(r *core.Return) {
	if o := ch.takeCall(r.Properties); o != nil {
		ch.settle(o, &UnroutableError{r.Clone()})
	}
}

func (ch *Channel) takeCall(p RawProperties) (o *outcome) {
	id, _ := p.CorrelationID()
	n, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		return nil // not a reply to us
	}
	ch.take(n, n, func(of *outcome) { o = of })
	return o
}

// forget drops, on the loop, a call that is over.
func (ch *Channel) forget(call uint64) { ch.take(call, call, func(*outcome) {}) }
