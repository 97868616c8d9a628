package driver

import (
	"errors"
	"sync"
	"time"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
	"github.com/haypile/haypile/internal/instant"
)

// session is one transport with its state machine: an attempt and, if it comes
// to be open, the connection. It is the loop's handler.
type session struct {
	conn      *Conn
	core      *core.Conn
	transport adapters.Transport
	tls       *secured        // nil for a plain connection
	bridge    *bridge         // nil when the loop has the connection itself
	opening   *opening        // nil when a client's is open, and for a server's
	open      bool            // what happens belongs to the connection
	served    bool            // by a Server
	paused    PauseReason     // as the transport was told
	asked     closing         // what core or the transport was told
	armed     instant.Instant // the wakeup that is set
	leaveBy   instant.Instant // when a transport that is closing is aborted
	restUntil instant.Instant // of the latest rest, see LatencyBudget
}

// opening is what only a client's session has, and only until it is open.
type opening struct {
	dialing *dialing
	failed  chan error // gets the end of an attempt that did not open; holds one

	begun   adapters.Transport // under Conn.mu: the session's, for other goroutines
	givenUp bool               // under Conn.mu: nobody waits for the attempt
}

// turnBytes bounds what one handler call writes, so that connections that share
// a loop take turns.
const turnBytes = 4 * adapters.HighWater

// leaveTimeout bounds the sending of what is buffered when all is said.
const leaveTimeout = 5 * time.Second

// OnOpen implements adapters.Handler.
func (s *session) OnOpen(t adapters.Transport, now time.Time) {
	s.transport = t
	s.conn.begin(s)
	if s.served {
		s.open = s.conn.became(s)
	}
	s.core.Start(now) // the first and only one
	if s.tls != nil {
		s.receive(nil, now) // what the TLS handshake read beyond its own
	}
	s.settle(now)
}

// OnData implements adapters.Handler.
func (s *session) OnData(p []byte, now time.Time) {
	if s.tls != nil {
		s.receive(p, now)
	} else {
		s.core.Feed(p, now)
	}
	s.rest(len(p), now)
	s.settle(now)
}

// receive feeds what TLS makes of p. After the peer's close_notify, or a record
// that is forged or broken, nothing more can come.
func (s *session) receive(p []byte, now time.Time) {
	err := s.tls.receive(p, func(plain []byte) { s.core.Feed(plain, now) })
	s.tls.drain(s.transport)
	if err != nil {
		s.core.Lost(err, now)
	}
}

// OnWake implements adapters.Handler.
func (s *session) OnWake(now time.Time) {
	if instant.Of(now) >= s.armed {
		s.armed = 0
	}
	s.settle(now)
}

// OnClose implements adapters.Handler.
func (s *session) OnClose(err error, now time.Time) {
	defer s.over()
	if s.bridge != nil {
		err = s.bridge.leave(err)
	}
	s.core.Lost(err, now)
}

// over reports the end and runs the callbacks that are left: each was promised
// to run once.
func (s *session) over() {
	if !s.open {
		s.opening.failed <- s.core.Err()
		return
	}
	if o := s.opening; o != nil { // a panic ended it when it was about to be open
		defer close(o.dialing.failed)
	}
	left := s.conn.finish(s.core.Err())
	if s.served {
		defer s.conn.server.forget(s.conn)
	}
	defer s.conn.conclude()
	s.runAll(left)
}

// runAll goes on after a callback that panics, whose panic then goes on, too.
func (s *session) runAll(left []func(*core.Conn)) {
	defer func() {
		if len(left) > 0 {
			s.runAll(left)
		}
	}()
	for len(left) > 0 {
		fn := left[0]
		left = left[1:]
		fn(s.core)
	}
}

// settle brings everything into line after whatever happened: it runs what
// other goroutines queued, acts on deadlines, sends, and sets the next wakeup.
func (s *session) settle(now time.Time) {
	again := false
	if s.open {
		again = s.runCallbacks(now)
	} else if s.conn.gaveUp(s) {
		s.core.Close(wire.ReplySuccess, "") // in the handshake it just ends
	}
	s.core.Tick(now)
	again = s.flush() || again
	if f := s.conn.onFlush; f != nil && s.open {
		f(s.conn, s.core, now)
	}
	s.rested(now)
	s.applyPauses(now)
	if s.core.Finished() {
		s.leave(now)
		return
	}
	if again {
		s.transport.Wake()
	}
	s.rearm(now)
}

// hasLastWord tells that the peer is to hear why it is left: the answer to a close
// during the handshake, or an alert of TLS.
func (s *session) hasLastWord() bool {
	if s.transport.Buffered() == 0 {
		return false
	}
	var remote *core.Error
	return s.tls != nil && s.tls.broken || !s.open && errors.As(s.core.Err(), &remote)
}

// leave ends the transport when core has finished. Only a peer that is there and
// has talked AMQP gets what is still buffered, in bounded time.
func (s *session) leave(now time.Time) {
	var lost *core.TransportError
	switch {
	case s.leaveBy != 0 && instant.Of(now) >= s.leaveBy, !s.hasLastWord() && (!s.open || errors.As(s.core.Err(), &lost)):
		s.transport.Abort()
	case s.leaveBy == 0:
		s.leaveBy = instant.Of(now).Add(leaveTimeout)
		s.transport.SetWakeup(s.leaveBy.Time())
		if s.tls != nil {
			s.tls.end(s.transport)
		}
		s.transport.Close()
	}
}

// runCallbacks runs what is queued now. It reports whether there is more: what
// these callbacks added has its turn after others.
func (s *session) runCallbacks(now time.Time) bool {
	d := s.conn
	callbacks, how := d.nextCallbacks(now)
	ran := 0
	defer func() { d.putBack(callbacks[ran:]) }()
	for ran < len(callbacks) {
		fn := callbacks[ran]
		callbacks[ran] = nil
		ran++
		fn(s.core)
	}
	if d.onDrain != nil && d.notified.Swap(false) {
		d.onDrain(s.core, now)
	}
	s.close(how)
	return d.haveRun(callbacks)
}

// close does what Close or Abort asked for.
func (s *session) close(how closing) {
	if how <= s.asked {
		return
	}
	s.asked = how
	if how == closeAbort {
		s.transport.Abort()
		return
	}
	s.core.Close(wire.ReplySuccess, "bye") // an error means that it is closing already
}

// applyPauses carries Pause and Resume over to the transport.
func (s *session) applyPauses(now time.Time) {
	why := s.conn.pauses
	if !s.open || why == s.paused {
		return
	}
	s.core.SetReading(why&PauseInbox == 0, now)
	if on := why == 0; on != (s.paused == 0) {
		s.transport.SetReading(on)
	}
	s.paused = why
}

// lists hold segments, and are shared by all connections, so that an idle one has
// none.
var lists = sync.Pool{New: func() any { return new([][]byte) }}

// flush hands output to the transport up to its high-water mark. It reports
// whether it stopped for fairness alone, so that it must be called again; at
// the high-water mark the transport wakes us.
func (s *session) flush() bool {
	if s.core.Buffered() == 0 {
		return false
	}
	all := lists.Get().(*[][]byte)
	defer func() {
		clear((*all)[:cap(*all)]) // what was lent is not the list's
		lists.Put(all)
	}()
	for room := turnBytes; room > 0; {
		*all = s.core.Outbound((*all)[:0])
		if len(*all) == 0 {
			return false
		}
		free := adapters.HighWater - s.transport.Buffered()
		if free <= 0 {
			return false
		}
		segments, n := cut(*all, min(free, room))
		if s.tls != nil {
			s.tls.write(segments, s.transport)
		} else {
			s.transport.Write(segments)
		}
		s.core.Advance(n)
		room -= n
	}
	return true
}

// cut is as many of the segments as have most bytes in all, and what they have.
func cut(segments [][]byte, most int) ([][]byte, int) {
	n := 0
	for i, seg := range segments {
		if n+len(seg) >= most {
			segments[i] = seg[:most-n]
			return segments[:i+1], most
		}
		n += len(seg)
	}
	return segments, n
}

// rearm sets the wakeup when it must come earlier than the one that is set. A
// deadline that moved later costs nothing: the early wakeup finds nothing due.
func (s *session) rearm(now time.Time) {
	deadline, exact := s.core.NextDeadline(), instant.Instant(0)
	if s.open {
		exact = instant.Earlier(instant.Of(s.conn.nextTimer()), s.nextRead())
	}
	next := instant.Earlier(instant.Of(deadline), exact)
	if next == 0 || s.armed != 0 && next >= s.armed {
		return
	}
	s.armed = instant.Earlier(instant.Of(together(deadline, now)), exact)
	s.transport.SetWakeup(s.armed.Time())
}

// together moves a deadline to a moment that other connections have, too, so that
// one pass of a loop sends the heartbeats of many. When that was too early for core,
// which for the rarer deadlines it is, the next wakeup is at the deadline itself.
func together(deadline, now time.Time) time.Time {
	early := deadline.Sub(deadline.Truncate(core.HeartbeatLead))
	if shared := deadline.Add(-early); shared.After(now) {
		return shared
	}
	return deadline
}

// gate is core's handler: the user's hears only of a session that opened.
type gate struct{ s *session }

func (g gate) OnOpen(c *core.Conn) {
	d := g.s.conn
	if !d.became(g.s) {
		c.Close(wire.ReplySuccess, "bye") // nobody waits; an open connection can always be closed
		return
	}
	g.s.open = true
	d.handler.OnOpen(c)
	opened := g.s.opening.dialing.opened
	g.s.opening = nil
	close(opened)
}

func (g gate) OnBlocked(c *core.Conn, blocked bool, reason string) {
	g.s.conn.handler.OnBlocked(c, blocked, reason)
}

func (g gate) OnWritable(c *core.Conn) { g.s.conn.handler.OnWritable(c) }

func (g gate) OnClose(c *core.Conn, err error) {
	if g.s.open {
		g.s.conn.handler.OnClose(c, err)
	}
}
