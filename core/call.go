package core

import (
	"fmt"

	"github.com/haypile/haypile/core/wire"
)

// pending is a request on its way: the reply it waits for and whom to tell.
// Replies come in the order of the requests, so each channel keeps a FIFO.
type pending struct {
	want     wire.MethodID
	done     func(wire.Method, error) // nil: nobody asked to be told
	got      func(*Delivery, error)   // basic.get, which has two replies
	consumer *consumer                // basic.consume that waits for its tag, basic.cancel
	consumed func(tag string) *consumer
}

func (p *pending) fail(err error) {
	switch {
	case p.got != nil:
		p.got(nil, err)
	case p.done != nil:
		p.done(nil, err)
	}
}

// Call sends any request that has exactly one reply, and is what the named
// methods of Channel are made of. Requests are pipelined: any number may be on
// its way, replies come in order.
//
// A non-nil error (ErrClosed, a *wire.EncodeError, ErrFrameTooLarge) means that
// nothing was queued and done is never called. Else done, unless it is nil,
// runs exactly once, later, from a driver-side call, with the reply, which is
// then the caller's to keep, or with the error that ended the channel. A
// request whose NoWait is set has no reply: done must be nil.
//
// Methods that the Conn itself must follow have functions of their own
// (Consume, Get, Close) and are refused with a *ConfigError.
func Call[R wire.Method](ch *Channel, req wire.Request[R], done func(R, error)) error {
	if err := callable(req.ID()); err != nil {
		return err
	}
	p := pending{want: req.NewReply().ID()}
	if done != nil {
		p.done = func(m wire.Method, err error) {
			reply, _ := m.(R)
			done(reply, err)
		}
	}
	return ch.request(req, p)
}

func callable(id wire.MethodID) error {
	switch id {
	case wire.BasicConsumeID, wire.ChannelOpenID, wire.ChannelCloseID:
		return &ConfigError{"request", id, "made by the function of its own"}
	}
	if id.Class() == wire.ClassConnection {
		return &ConfigError{"request", id, "a method of a channel"}
	}
	return nil
}

// request encodes the request whole, then commits what it changes.
func (ch *Channel) request(req wire.Method, p pending) error {
	if err := ch.usable(); err != nil {
		return err
	}
	silent := noWait(req)
	if silent && (p.done != nil || p.got != nil) {
		return &ConfigError{"done", "set", "nil with NoWait, which has no reply"}
	}
	if err := ch.conn.send(ch.number, req); err != nil {
		return err
	}
	switch m := req.(type) {
	case *wire.ConfirmSelect:
		ch.startConfirms()
	case *wire.BasicCancel:
		p.consumer = ch.consumers.get(m.ConsumerTag)
	}
	if silent {
		p.want = noReply
	}
	if !silent || p.consumer != nil {
		ch.pending.push(p)
	}
	return nil
}

// noWait tells that the request asks for no reply.
func noWait(m wire.Method) bool {
	switch m := m.(type) {
	case *wire.ExchangeDeclare:
		return m.NoWait
	case *wire.ExchangeDelete:
		return m.NoWait
	case *wire.ExchangeBind:
		return m.NoWait
	case *wire.ExchangeUnbind:
		return m.NoWait
	case *wire.QueueDeclare:
		return m.NoWait
	case *wire.QueueBind:
		return m.NoWait
	case *wire.QueuePurge:
		return m.NoWait
	case *wire.QueueDelete:
		return m.NoWait
	case *wire.BasicConsume:
		return m.NoWait
	case *wire.BasicCancel:
		return m.NoWait
	case *wire.ConfirmSelect:
		return m.NoWait
	}
	return false
}

// onReply settles the head of the FIFO with the reply.
func (ch *Channel) onReply(id wire.MethodID, args []byte) error {
	p, err := ch.popPending(id)
	if err != nil {
		return err
	}
	m := wire.NewMethod(id)
	if err := ch.conn.in.plain().Method(args, m); err != nil {
		ch.pending.unpop(p)
		return err
	}
	switch m := m.(type) {
	case *wire.BasicConsumeOk:
		if p.consumed != nil {
			ch.consumers.put(p.consumed(m.ConsumerTag))
		}
	case *wire.BasicCancelOk:
		ch.consumers.remove(p.consumer)
	}
	if p.done != nil {
		p.done(m, nil)
	}
	return nil
}

// popPending takes the request that the reply answers off the FIFO: its head,
// after those that have no reply and are known now to have been accepted.
func (ch *Channel) popPending(reply wire.MethodID) (pending, error) {
	for ch.pending.len() > 0 {
		head := ch.pending.at(0)
		if head.want == noReply {
			ch.consumers.remove(head.consumer)
			ch.pending.pop()
			continue
		}
		if head.want != reply {
			return pending{}, offend(wire.UnexpectedFrame, "%s instead of %s", reply, head.want)
		}
		return ch.pending.pop(), nil
	}
	return pending{}, offend(wire.UnexpectedFrame, "%s answers no request", reply)
}

// noReply as pending.want marks a request that is only waited past.
const noReply wire.MethodID = 0

// send encodes a method of ours into the output, or changes nothing.
func (c *Conn) send(channel uint16, m wire.Method) error {
	return c.sendWithin(channel, m, c.limits.frameMax)
}

func (c *Conn) sendWithin(channel uint16, m wire.Method, frameMax uint32) error {
	buf := c.out.room()
	n := len(buf)
	buf, err := wire.AppendMethodFrame(buf, channel, m)
	if err != nil {
		return err
	}
	if size := len(buf) - n; size > int(frameMax) {
		return fmt.Errorf("%w: %s takes %d bytes, frame-max is %d", ErrFrameTooLarge, m.ID(), size, frameMax)
	}
	c.out.buf = buf
	return nil
}
