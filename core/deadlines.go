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

// moment is a time, in nanoseconds since the first one given: a third of the size
// of a time.Time, of which every connection has many.
type moment int64

// Deadlines are moments, or one of these.
const (
	never moment = 0
	// late: armed by a call that knows no time, to begin with the first moment
	// given afterwards.
	late moment = -1
)

func (m moment) after(d time.Duration) moment { return m + moment(d) }

func (m moment) since(earlier moment) time.Duration { return time.Duration(m - earlier) }

// deadlines are all that a connection waits for. Those of the heartbeats are
// not armed but follow from when something was last read and written, so that
// traffic costs no bookkeeping.
type deadlines struct {
	fixed     [dlKinds]moment
	lastRead  moment
	lastWrite moment
	deaf      bool // the driver does not read: silence proves nothing
	granted   bool // a late Tick prolonged the silence once
	grace     time.Duration
}

// heartbeatSlack is what silence may last beyond the interval.
const heartbeatSlack = 5 * time.Second

// HeartbeatLead is how much earlier than NextDeadline a Tick sends a heartbeat, if
// it happens to come then. Who drives many connections may round their deadlines
// down to moments that lie no farther apart, and serves in one pass what falls
// together.
const HeartbeatLead = 50 * time.Millisecond

// heard tells that bytes came, however few.
func (d *deadlines) heard(now moment) {
	d.lastRead, d.granted, d.grace = now, false, 0
}

// timeout is how long a kind of deadline takes; Off for never.
func (c *Conn) timeout(kind deadlineKind) time.Duration {
	switch kind {
	case dlHandshake:
		return c.shake.timeout(c.role)
	case dlBlocked:
		return c.cfg.blockedTimeout
	default:
		return c.cfg.closeTimeout
	}
}

// armed is a deadline that begins now, or late if no time is at hand.
func (c *Conn) armed(after time.Duration) moment {
	switch {
	case after == Off:
		return never
	case c.fresh:
		return c.now.after(after)
	}
	return late
}

func (c *Conn) arm(kind deadlineKind) { c.dl.fixed[kind] = c.armed(c.timeout(kind)) }

func (c *Conn) disarm(kind deadlineKind) { c.dl.fixed[kind] = never }

// startLate begins the deadlines that were armed without a time.
func (c *Conn) startLate() {
	for kind := range c.dl.fixed {
		if c.dl.fixed[kind] == late {
			c.arm(deadlineKind(kind))
		}
	}
	for i := c.closing.len() - 1; i >= 0; i-- {
		ch := *c.closing.at(i)
		if ch.closeBy != late {
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

// sendAt is when a heartbeat is due unless something is written before. While output
// waits for the transport, none is added to it.
func (c *Conn) sendAt() moment {
	if c.limits.heartbeat == 0 || c.state != StateOpen && c.state != StateClosing || c.out.len() > 0 {
		return never
	}
	return c.dl.lastWrite.after(c.limits.heartbeat / 2)
}

// silentAt is when the peer is given up unless bytes come before.
func (c *Conn) silentAt() moment {
	if c.limits.heartbeat == 0 || c.dl.deaf || c.state != StateOpen && c.state != StateClosing {
		return never
	}
	return c.dl.lastRead.after(c.limits.heartbeat + heartbeatSlack + c.dl.grace)
}

// NextDeadline is when Tick must be called at the latest, on the clock of the
// times that were given; zero for never. It may be in the past: then at once.
// It only moves when another method of the Conn or its channels was called.
func (c *Conn) NextDeadline() time.Time {
	if c.broken || c.Finished() || c.state == StateIdle {
		return time.Time{}
	}
	next := earlier(c.sendAt(), c.silentAt())
	for _, at := range c.dl.fixed {
		next = earlier(next, at)
	}
	if ch := c.closingHead(); ch != nil {
		next = earlier(next, ch.closeBy)
	}
	next = earlier(next, c.in.spareUntil())
	switch {
	case next == late || c.state == StateAborted:
		return c.latest()
	case next == never:
		return time.Time{}
	}
	return c.zero.Add(time.Duration(next))
}

// latest is the latest time given, or some time in the past.
func (c *Conn) latest() time.Time {
	if c.zero.IsZero() {
		return time.Unix(0, 0)
	}
	return c.zero.Add(time.Duration(c.now))
}

// earlier is the earlier of two deadlines; late is before all others.
func earlier(a, b moment) moment {
	if a == never || b != never && b < a {
		return b
	}
	return a
}

// due tells that a deadline has passed.
func (c *Conn) due(at moment) bool { return at > 0 && c.now >= at }

// expire acts on what is due.
func (c *Conn) expire() {
	switch {
	case c.due(c.dl.fixed[dlHandshake]):
		c.drop(ErrHandshakeTimeout)
	case c.due(c.dl.fixed[dlClose]):
		c.expireClose()
	case c.due(c.dl.fixed[dlBlocked]):
		c.drop(ErrBlockedTimeout)
	case c.due(c.silentAt()):
		c.expireSilence()
	}
	c.expireChannels()
	if c.due(c.in.spareUntil()) {
		c.in.dec.spare = nil
	}
	if at := c.sendAt(); at != never && c.now >= at.after(-HeartbeatLead) {
		c.rest()
		c.out.append(wire.HeartbeatFrame)
		c.counts.framesSent++
		c.traceSent(c.out.off)
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
	if c.now.since(c.silentAt()) > c.limits.heartbeat && !c.dl.granted {
		c.dl.granted = true
		c.dl.grace = c.now.since(c.dl.lastRead) - heartbeatSlack
		return
	}
	c.drop(ErrHeartbeat)
}

// expireChannels ends the channels whose close was not answered in time. Their
// numbers stay taken, since the answer may still come.
func (c *Conn) expireChannels() {
	for {
		ch := c.closingHead()
		if ch == nil || !c.due(ch.closeBy) {
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
