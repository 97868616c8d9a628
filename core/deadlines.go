package core

import (
	"time"

	"github.com/haypile/haypile/core/wire"
)

// deadlineKind indexes the connection's deadlines.
type deadlineKind uint8

const (
	dlHandshake deadlineKind = iota
	dlClose                  // our connection.close, or our close-ok that nobody reads
	dlBlocked
	dlKinds
)

// deadline is a moment to act at. It may be armed by a call that knows no time;
// then it is late and counts from the first moment given afterwards.
type deadline struct {
	at   time.Time
	late bool
}

// deadlines are all that a connection waits for. Those of the heartbeats are
// not armed but follow from when something was last read and written, so that
// traffic costs no bookkeeping.
type deadlines struct {
	fixed     [dlKinds]deadline
	lastRead  time.Time
	lastWrite time.Time
	deaf      bool // the driver does not read: silence proves nothing
	granted   bool // a late Tick prolonged the silence once
	grace     time.Duration
}

// heartbeatSlack is what silence may last beyond the interval.
const heartbeatSlack = 5 * time.Second

// heard tells that bytes came, however few.
func (d *deadlines) heard(now time.Time) {
	d.lastRead, d.granted, d.grace = now, false, 0
}

// timeout is how long a kind of deadline takes; Off for never.
func (c *Conn) timeout(kind deadlineKind) time.Duration {
	switch kind {
	case dlHandshake:
		return c.cfg.handshakeTimeout
	case dlBlocked:
		return c.cfg.blockedTimeout
	default:
		return c.cfg.closeTimeout
	}
}

// armed is a deadline that begins now, or late if no time is at hand.
func (c *Conn) armed(after time.Duration) deadline {
	switch {
	case after == Off:
		return deadline{}
	case c.fresh:
		return deadline{at: c.now.Add(after)}
	}
	return deadline{late: true}
}

func (c *Conn) arm(kind deadlineKind) { c.dl.fixed[kind] = c.armed(c.timeout(kind)) }

func (c *Conn) disarm(kind deadlineKind) { c.dl.fixed[kind] = deadline{} }

// startLate begins the deadlines that were armed without a time.
func (c *Conn) startLate() {
	for kind := range c.dl.fixed {
		if c.dl.fixed[kind].late {
			c.arm(deadlineKind(kind))
		}
	}
	for i := c.closing.len() - 1; i >= 0; i-- {
		ch := *c.closing.at(i)
		if !ch.closeBy.late {
			break
		}
		ch.closeBy = c.armed(c.cfg.closeTimeout)
	}
}

// awaitCloseOk puts a channel that sent its close in the queue of those that
// wait for the answer. All wait equally long, so the head expires first.
func (c *Conn) awaitCloseOk(ch *Channel) {
	ch.closeBy = c.armed(c.cfg.closeTimeout)
	if c.cfg.closeTimeout != Off {
		c.closing.push(ch)
	}
}

// closingHead is the channel that has waited longest for its close-ok.
func (c *Conn) closingHead() *Channel {
	for c.closing.len() > 0 {
		if ch := *c.closing.at(0); ch.state == channelClosing {
			return ch
		}
		c.closing.pop()
	}
	return nil
}

// sendAt is when a heartbeat is due unless something is written before; zero
// for never. While output waits for the transport, none is added to it.
func (c *Conn) sendAt() time.Time {
	if c.limits.heartbeat == 0 || c.state != StateOpen && c.state != StateClosing || c.out.len() > 0 {
		return time.Time{}
	}
	return c.dl.lastWrite.Add(c.limits.heartbeat / 2)
}

// silentAt is when the peer is given up unless bytes come before; zero for
// never.
func (c *Conn) silentAt() time.Time {
	if c.limits.heartbeat == 0 || c.dl.deaf || c.state != StateOpen && c.state != StateClosing {
		return time.Time{}
	}
	return c.dl.lastRead.Add(c.limits.heartbeat + heartbeatSlack + c.dl.grace)
}

// NextDeadline is when Tick must be called at the latest, on the clock of the
// times that were given; zero for never. It may be in the past: then at once.
// It only moves when another method of the Conn or its channels was called.
func (c *Conn) NextDeadline() time.Time {
	var next time.Time
	if c.broken || c.Finished() || c.state == StateIdle {
		return next
	}
	if c.state == StateAborted {
		return c.atOnce()
	}
	for _, d := range c.dl.fixed {
		if d.late {
			return c.atOnce()
		}
		next = earlier(next, d.at)
	}
	if ch := c.closingHead(); ch != nil {
		if ch.closeBy.late {
			return c.atOnce()
		}
		next = earlier(next, ch.closeBy.at)
	}
	return earlier(earlier(next, c.sendAt()), c.silentAt())
}

// atOnce is a moment that has passed, also before any was given.
func (c *Conn) atOnce() time.Time {
	if c.now.IsZero() {
		return time.Unix(0, 0)
	}
	return c.now
}

// earlier is the earlier of two deadlines of which zero means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// due tells that a deadline has passed.
func (c *Conn) due(at time.Time) bool { return !at.IsZero() && !c.now.Before(at) }

// expire acts on what is due.
func (c *Conn) expire() {
	switch {
	case c.due(c.dl.fixed[dlHandshake].at):
		c.drop(ErrHandshakeTimeout)
	case c.due(c.dl.fixed[dlClose].at):
		c.expireClose()
	case c.due(c.dl.fixed[dlBlocked].at):
		c.drop(ErrBlockedTimeout)
	case c.due(c.silentAt()):
		c.expireSilence()
	}
	c.expireChannels()
	if c.due(c.sendAt()) {
		c.rest()
		c.out.append(wire.HeartbeatFrame)
		c.traceSent(c.out.off)
		c.dl.lastWrite = c.now
	}
}

// rest gives back the memory that only traffic needs. The connection has been
// idle, and there may be many like it.
func (c *Conn) rest() {
	c.out.rest()
	c.in.rest()
	c.scratch = nil
	c.closing.rest()
	for _, ch := range c.channels.byNumber {
		if ch != nil {
			ch.rest()
		}
	}
}

func (ch *Channel) rest() {
	ch.pending.rest()
	if m := ch.incoming; m != nil && m.method == 0 && m.stream == nil {
		ch.incoming = nil
	}
	if ch.confirms != nil {
		ch.confirms.mandatory.rest()
	}
	if ch.serving != nil {
		ch.serving.owed.rest()
	}
}

// expireClose gives up a close that the peer does not answer, or a close-ok
// that it does not read.
func (c *Conn) expireClose() {
	c.disarm(dlClose)
	c.out.discard()
	if c.state == StateClosing && c.cause == nil {
		c.cause = c.timedOut()
	}
	c.finish()
}

// expireSilence gives up a silent peer. A process that was stopped wakes up
// with bytes waiting that it has not read: when this Tick is itself late by more
// than an interval, the peer gets one interval more, once.
func (c *Conn) expireSilence() {
	if late := c.now.Sub(c.silentAt()); late > c.limits.heartbeat && !c.dl.granted {
		c.dl.granted = true
		c.dl.grace = c.now.Sub(c.dl.lastRead) - heartbeatSlack
		return
	}
	c.drop(ErrHeartbeat)
}

// expireChannels ends the channels whose close was not answered in time. Their
// numbers stay taken, since the answer may still come.
func (c *Conn) expireChannels() {
	for {
		ch := c.closingHead()
		if ch == nil || !c.due(ch.closeBy.at) {
			return
		}
		c.closing.pop()
		ch.state = channelExpired
		if ch.cause == nil {
			ch.cause = c.timedOut()
		}
		ch.tell()
	}
}
