package core

import (
	"fmt"

	"github.com/haypile/haypile/core/wire"
)

// serial is what Config.Serial adds: after a request that has a reply, nothing
// of the user's leaves before the reply is here. Calls are encoded at once, so
// that they fail at once, and held back in a queue of their own.
type serial struct {
	waiting bool
	on      *Channel // that the reply is awaited on; nil: the connection
	held    output
	calls   fifo[heldCall]
}

// heldCall is a user's call that has been accepted and not sent.
type heldCall struct {
	ch     *Channel // nil: the connection's
	size   int      // bytes in held, without lent ones
	refs   int      // lent frames in held
	p      pending
	kind   heldKind
	unsent bool // its channel has died
}

// heldKind says what a call means for the calls behind it.
type heldKind uint8

const (
	heldPlain   heldKind = iota // nothing: there is no reply
	heldRequest                 // they wait for its reply
	heldClose                   // they wait for channel.close-ok
)

// notSent is the error of a request that was held back when its channel died.
type notSent struct{ reason error }

func (e *notSent) Error() string {
	return fmt.Sprintf("%v: %s", ErrNotSent, untitled(e.reason))
}

func (e *notSent) Is(target error) bool { return target == ErrNotSent }
func (e *notSent) Unwrap() error        { return e.reason }

// lane is the queue that a user's call goes to.
func (c *Conn) lane() *output {
	if c.serial != nil && (c.serial.waiting || c.serial.calls.len() > 0) {
		return &c.serial.held
	}
	return &c.out
}

// mark is where a lane stood before a call.
type mark struct{ size, refs int }

func (o *output) mark() mark {
	m := mark{size: len(o.buf) - o.off}
	if o.loans != nil {
		m.refs = o.loans.refs.len()
	}
	return m
}

// commit keeps account of a user's call that was encoded into the lane since
// the mark. A request that went out at once is pending from now on.
func (c *Conn) commit(o *output, m mark, ch *Channel, kind heldKind, p pending) {
	if o == &c.out {
		c.sent(ch, kind, p)
		return
	}
	now := o.mark()
	c.serial.calls.push(heldCall{ch: ch, size: now.size - m.size, refs: now.refs - m.refs, kind: kind, p: p})
}

// sent is told of each user's call when it goes out.
func (c *Conn) sent(ch *Channel, kind heldKind, p pending) {
	if p.awaited() {
		ch.pending.push(p)
	}
	if kind == heldClose {
		c.awaitCloseOk(ch)
	}
	if c.serial != nil && kind != heldPlain {
		c.serial.waiting, c.serial.on = true, ch
	}
}

// awaited tells that the pending request has to be kept: it has a reply, or is
// a barrier that replies pass.
func (p *pending) awaited() bool { return p.want != noReply || p.consumer != nil }

// replied is told that the reply to a request of the channel has come (nil: of
// the connection), or never will: what was held back goes out, up to the next
// request.
func (c *Conn) replied(ch *Channel) {
	s := c.serial
	if s == nil || !s.waiting || s.on != ch || c.state != StateOpen {
		return
	}
	s.waiting, s.on = false, nil
	for !s.waiting && s.calls.len() > 0 {
		call := s.calls.pop()
		if call.unsent {
			s.held.skip(call.size, call.refs)
			continue
		}
		n := len(c.out.room())
		s.held.move(&c.out, call.size, call.refs)
		c.sent(call.ch, call.kind, call.p) // before the trace, which may panic
		c.traceSent(n)
	}
}

// move moves the first bytes and lent frames to the end of another queue.
func (o *output) move(to *output, size, refs int) {
	shift := len(to.buf) - o.off
	to.buf = append(to.buf, o.buf[o.off:o.off+size]...)
	for range refs {
		r := o.loans.refs.pop()
		o.loans.size -= len(r.data)
		to.borrowed().size += len(r.data)
		r.at += shift
		to.loans.refs.push(r)
	}
	o.advanceOwn(size)
}

// skip drops the first bytes and lent frames.
func (o *output) skip(size, refs int) {
	for range refs {
		o.loans.size -= len(o.loans.refs.pop().data)
	}
	o.advanceOwn(size)
}

// dropHeld gives up the calls of a channel that are held back. They fail with
// the channel, behind those that were sent.
func (c *Conn) dropHeld(ch *Channel) {
	if c.serial == nil {
		return
	}
	ref := 0
	for i := range c.serial.calls.len() {
		call := c.serial.calls.at(i)
		if call.ch == ch && !call.unsent {
			call.unsent = true
			c.serial.held.unlend(ref, call.refs, &ch.pending)
			call.p.unsent = true
			ch.pending.push(call.p)
			call.p = pending{}
		}
		ref += call.refs
	}
}

// unlend makes the releases of lent frames pending, to fail with the channel.
func (o *output) unlend(first, n int, to *fifo[pending]) {
	for i := range n {
		r := o.loans.refs.at(first + i)
		if r.release != nil {
			to.push(pending{release: r.release, unsent: true})
			r.release = nil
		}
		o.loans.size -= len(r.data)
		r.data = nil
	}
}

// holds tells that the channel's close is held back.
func (s *serial) holds(ch *Channel) bool {
	if s == nil {
		return false
	}
	for i := range s.calls.len() {
		if call := s.calls.at(i); call.ch == ch && call.kind == heldClose {
			return true
		}
	}
	return false
}

// queued is the number of bytes that wait to be sent, held back or not.
func (c *Conn) queued() int {
	if c.serial == nil {
		return c.out.len()
	}
	return c.out.len() + c.serial.held.len()
}

// sendUser encodes a method of the user's into the lane.
func (c *Conn) sendUser(ch *Channel, number uint16, m wire.Method, kind heldKind, p pending) error {
	o := c.lane()
	before := o.mark()
	if err := c.encode(o, number, m, c.limits.frameMax); err != nil {
		return err
	}
	c.commit(o, before, ch, kind, p)
	return nil
}
