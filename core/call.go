package core

import (
	"fmt"
	"reflect"

	"github.com/haypile/haypile/core/wire"
)

// pending is a request on its way: the reply it waits for and whom to tell.
// Replies come in the order of the requests, so each channel keeps a FIFO; see
// find for the exception.
type pending struct {
	want     wire.MethodID
	tag      string                 // of the consumer that consume-ok or cancel-ok must name; empty for any
	done     settler                // nil: nobody asked to be told
	got      func(*Delivery, error) // basic.get, which has two replies
	consumer *consumer              // of a basic.cancel
	again    bool                   // noReply that was passed once
	unsent   bool                   // held back by Config.Serial until the channel died
	release  func(error)            // of a loan that was held back likewise
	consumed func(tag string) *consumer
}

func (p *pending) fail(err error) {
	if p.unsent {
		err = &notSent{err}
	}
	switch {
	case p.release != nil:
		p.release(err)
	case p.got != nil:
		p.got(nil, err)
	case p.done != nil:
		p.done.settle(nil, err)
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
	if err := callable(req); err != nil {
		return err
	}
	var none R
	p := pending{want: none.ID()}
	if done != nil {
		p.done = told[R](done)
	}
	return ch.request(req, p)
}

// settler is told what has become of a request.
type settler interface{ settle(wire.Method, error) }

// told is whom to tell by the reply's own type. To make a settler of it allocates
// nothing.
type told[R wire.Method] func(R, error)

func (done told[R]) settle(m wire.Method, err error) {
	reply, _ := m.(R)
	done(reply, err)
}

func isNil(m wire.Method) bool { return m == nil || reflect.ValueOf(m).IsNil() }

func callable(req wire.Method) error {
	if isNil(req) {
		return &ConfigError{"request", "nil", "set"}
	}
	id := req.ID()
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
	if err := ch.requests(); err != nil {
		return err
	}
	silent := noWait(req)
	if silent && (p.done != nil || p.got != nil) {
		return &ConfigError{"done", "set", "nil with NoWait, which has no reply"}
	}
	switch m := req.(type) {
	case *wire.BasicCancel:
		p.consumer, p.tag = ch.consumers.get(m.ConsumerTag), m.ConsumerTag
	case *wire.BasicConsume:
		p.tag = m.ConsumerTag
	}
	kind := heldRequest
	if silent {
		p.want, kind = noReply, heldPlain
	}
	if err := ch.conn.sendUser(ch, ch.number, req, kind, p); err != nil {
		return err
	}
	if req.ID() == wire.ConfirmSelectID {
		ch.startConfirms()
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

// onReply settles the request that the reply answers.
func (ch *Channel) onReply(id wire.MethodID, args []byte) error {
	m := wire.NewMethod(id)
	if err := ch.conn.in.plain().Method(args, m); err != nil {
		return err
	}
	tag := ""
	switch m := m.(type) {
	case *wire.BasicConsumeOk:
		tag = m.ConsumerTag
	case *wire.BasicCancelOk:
		tag = m.ConsumerTag
	}
	i, err := ch.find(id, tag)
	if err != nil {
		return err
	}
	p := ch.take(i)
	if p.consumed != nil {
		ch.consumers.put(p.consumed(tag))
	}
	if id == wire.BasicCancelOkID {
		ch.consumers.remove(p.consumer)
	}
	if p.done != nil {
		p.done.settle(m, nil)
	}
	return nil
}

// find looks up the request that a reply answers. It is the first that still
// waits, but for consumers: RabbitMQ lets the queue send consume-ok and
// cancel-ok, so that replies of the channel itself overtake them. A request that
// has the reply's tag goes before one that leaves the tag to the broker.
func (ch *Channel) find(reply wire.MethodID, tag string) (int, error) {
	unnamed := -1
	for i := range ch.pending.len() {
		p := ch.pending.at(i)
		if p.want == reply && p.tag == tag {
			return i, nil
		}
		if p.want == reply && p.tag == "" && unnamed < 0 {
			unnamed = i
		}
		if !p.overtakable() {
			if unnamed < 0 {
				return 0, offend(wire.UnexpectedFrame, "%s instead of %s", reply, p.want)
			}
			break
		}
	}
	if unnamed < 0 {
		return 0, offend(wire.UnexpectedFrame, "%s answers no request", reply)
	}
	return unnamed, nil
}

// overtakable tells that replies to later requests may come first.
func (p *pending) overtakable() bool {
	return p.want == noReply || p.want == wire.BasicConsumeOkID || p.want == wire.BasicCancelOkID
}

// take removes the i-th request. Those before it that have no reply have been
// passed. It is the last to go: where the trace of what is let go panics, it fails with
// the channel.
func (ch *Channel) take(i int) pending {
	for before := i - 1; before >= 0; before-- {
		if ch.pending.at(before).want == noReply {
			ch.passed(ch.pending.remove(before))
			i--
		}
	}
	ch.conn.replied(ch)
	return ch.pending.remove(i)
}

// passed is told that a reply came to a request behind a cancel without reply.
// By then the queue has stopped delivering, but what it sent may still wait in
// the broker's channel; it cannot any more when the same has happened to a
// request that is sent from now on.
func (ch *Channel) passed(p pending) {
	if p.again {
		ch.consumers.remove(p.consumer)
		return
	}
	p.again = true
	ch.pending.push(p)
}

// noReply as pending.want marks a request that is only waited past.
const noReply wire.MethodID = 0

// answer sends what the peer's frames oblige us to. A peer that makes us answer
// and does not read is given up before the answers fill memory.
func (c *Conn) answer(channel uint16, m wire.Method) error {
	return c.answerWithin(channel, m, c.limits.frameMax)
}

func (c *Conn) answerWithin(channel uint16, m wire.Method, frameMax uint32) error {
	before := c.out.len()
	if err := c.sendWithin(channel, m, frameMax); err != nil {
		return err
	}
	if most := c.cfg.maxAnswers(); c.answers.add(before, c.out.len()-before) > most {
		return offend(wire.ResourceError, "more than %d bytes of answers that the peer does not read", most)
	}
	return nil
}

// answers counts the bytes of answers since some moment. The moment moves on
// when all that was waiting then has been sent, so that what is counted has been
// unread for that long, however busy the connection is.
type answers struct {
	sent  uint64 // bytes that the transport took, of everything
	mark  uint64 // what sent has to reach for the count to begin anew
	bytes int
}

// add counts an answer of n bytes, behind the bytes that waited before it.
func (a *answers) add(waiting, n int) int {
	if a.sent >= a.mark {
		a.bytes, a.mark = 0, a.sent+uint64(waiting)+uint64(n)
	}
	a.bytes += n
	return a.bytes
}

// send encodes a method of ours into the output, or changes nothing.
func (c *Conn) send(channel uint16, m wire.Method) error {
	return c.sendWithin(channel, m, c.limits.frameMax)
}

func (c *Conn) sendWithin(channel uint16, m wire.Method, frameMax uint32) error {
	return c.encode(&c.out, channel, m, frameMax)
}

func (c *Conn) encode(o *output, channel uint16, m wire.Method, frameMax uint32) error {
	buf := o.room()
	n := len(buf)
	buf, err := wire.AppendMethodFrame(buf, channel, m)
	if err != nil {
		return err
	}
	if size := len(buf) - n; size > int(frameMax) {
		return fmt.Errorf("%w: %s takes %d bytes, frame-max is %d", ErrFrameTooLarge, m.ID(), size, frameMax)
	}
	o.buf = buf
	c.counts.framesSent++
	if o == &c.out {
		c.traceSent(n)
	}
	return nil
}
