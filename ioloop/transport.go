package ioloop

import (
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/haypile/haypile/adapters"
)

var errWouldBlock = errors.New("amqp: would block")

// transport is a connection on the loop. All of it belongs to the loop's
// goroutine but Wake.
type transport struct {
	loop          *Loop
	fd            int
	local, remote net.Addr
	h             adapters.Handler
	waking        atomic.Bool

	phase   phase
	inside  bool // a handler call is under way
	deaf    bool // SetReading(false)
	discard bool // Close was called: input counts no more
	out     []byte
	off     int   // out[:off] has been sent
	cause   error // of OnClose
	wakeup  *Timeout
	linger  *Timeout
}

// phase is how far a transport is on its way. It only goes forward.
type phase uint8

const (
	phaseNew       phase = iota
	phaseOpen            // OnOpen has been called
	phaseClosing         // Close was called, output is leaving
	phaseLingering       // nothing more is sent; the peer's end is awaited
	phaseAborted         // nothing counts any more
	phaseGone            // OnClose has been called
)

// transportTask is what the loop's queue can ask of a transport.
type transportTask uint8

const (
	taskAttach transportTask = iota
	taskWake
)

const (
	// readSize bounds what one event reads.
	readSize = 64 << 10
	// lingering is how long a transport is still read that will send nothing
	// more: after Close for the peer's end, after a failed write for its last
	// words.
	lingering = time.Second
	// keepOutput bounds the output buffers that are kept.
	keepOutput = 64 << 10
)

func (t *transport) do(what transportTask) {
	switch what {
	case taskAttach:
		t.attach()
	case taskWake:
		t.waking.Store(false) // a Wake from here on gets a call of its own
		t.call(func(now time.Time) { t.h.OnWake(now) })
	}
}

// attach is the beginning.
func (t *transport) attach() {
	l := t.loop
	l.transports[t] = struct{}{}
	t.phase = phaseOpen
	err := l.register(t.fd, &handler{events: Read, t: t})
	t.call(func(now time.Time) { t.h.OnOpen(t, now) })
	if err != nil && t.phase < phaseGone {
		t.cause = err
		t.end()
	}
}

// ready is told by the poller.
func (t *transport) ready(events Events) {
	if events&Write != 0 && t.phase <= phaseClosing {
		t.flush()
		t.settle()
	}
	if events&Read != 0 && t.phase < phaseAborted {
		t.read()
	}
}

// read takes what has come, one buffer of it: the rest is reported again, when
// the others have had their turn.
func (t *transport) read() {
	l := t.loop
	if l.buffer == nil {
		l.buffer = make([]byte, readSize)
	}
	n, err := readSocket(t.fd, l.buffer)
	switch {
	case err == errWouldBlock:
	case err != nil:
		t.lost(t.failure("read", err))
	case n == 0:
		t.lost(nil)
	case !t.discard && !t.deaf:
		p := l.buffer[:n]
		t.call(func(now time.Time) { t.h.OnData(p, now) })
		if scribble {
			clear(p)
		}
	}
}

// lost is the end of input.
func (t *transport) lost(err error) {
	if t.phase <= phaseClosing {
		t.cause = err
	}
	t.end()
}

// call runs the handler and then does what it asked for. A panic ends the
// transport and is what OnClose gets.
func (t *transport) call(f func(now time.Time)) {
	if t.phase >= phaseAborted || t.phase == phaseNew {
		return
	}
	t.guarded(f)
	t.settle()
}

func (t *transport) guarded(f func(now time.Time)) {
	t.inside = true
	defer func() {
		t.inside = false
		if v := recover(); v != nil {
			t.cause = &adapters.PanicError{Value: v, Stack: debug.Stack()}
			t.phase = phaseAborted
		}
	}()
	f(time.Now())
}

// settle sends what was written and ends what was ended. Outside handler calls.
func (t *transport) settle() {
	if t.phase == phaseOpen || t.phase == phaseClosing {
		t.flush()
	}
	switch {
	case t.phase == phaseAborted:
		t.end()
	case t.phase == phaseClosing && t.Buffered() == 0:
		t.closeWrite()
	}
	if t.phase < phaseAborted {
		t.setInterest()
	}
}

// setInterest tells the poller what the transport waits for.
func (t *transport) setInterest() {
	events := Events(0)
	if !t.deaf || t.phase > phaseOpen {
		events |= Read
	}
	if t.Buffered() > 0 {
		events |= Write
	}
	if err := t.loop.UpdateHandler(t.fd, events); err != nil && !errors.Is(err, ErrNotHandled) {
		t.lost(err)
	}
}

// closeWrite tells the peer that nothing more comes, and leaves it a little time
// to end its side: to close with unread input would reset the connection.
func (t *transport) closeWrite() {
	t.phase = phaseLingering
	if shutdownWrite(t.fd) != nil {
		t.end()
		return
	}
	t.startLingering()
}

func (t *transport) startLingering() {
	t.linger = &Timeout{at: time.Now().Add(lingering), t: t}
	t.loop.timers.add(t.linger)
}

// expired is told by the timers.
func (t *transport) expired(which *Timeout) {
	if which == t.linger {
		t.end()
		return
	}
	t.wakeup = nil
	t.call(func(now time.Time) { t.h.OnWake(now) })
}

// abandon ends the transport because the loop ends.
func (t *transport) abandon() {
	if t.phase < phaseAborted {
		t.cause = nil
	}
	t.end()
}

// end is the end: the descriptor is closed, and the handler told.
func (t *transport) end() {
	if t.phase == phaseGone {
		return
	}
	l := t.loop
	t.phase = phaseGone
	delete(l.transports, t)
	if err := l.RemoveHandler(t.fd); err != nil && !errors.Is(err, ErrNotHandled) {
		l.report(err)
	}
	closeDescriptor(t.fd)
	t.out, t.off = nil, 0
	for _, timer := range []*Timeout{t.wakeup, t.linger} {
		l.RemoveTimeout(timer)
	}
	l.guard(func() { t.h.OnClose(t.cause, time.Now()) })
}

// failure dresses an error as package net does.
func (t *transport) failure(op string, err error) error {
	return &net.OpError{Op: op, Net: t.local.Network(), Source: t.local, Addr: t.remote, Err: err}
}

// LocalAddr implements adapters.Transport.
func (t *transport) LocalAddr() net.Addr { return t.local }

// RemoteAddr implements adapters.Transport.
func (t *transport) RemoteAddr() net.Addr { return t.remote }

// Wake implements adapters.Transport.
func (t *transport) Wake() {
	if t.waking.Swap(true) {
		return
	}
	if err := t.loop.add(task{t: t, what: taskWake}); err != nil {
		return // the loop is closed, and the transport with it
	}
}

// SetReading implements adapters.Transport.
func (t *transport) SetReading(on bool) { t.deaf = !on }

// SetWakeup implements adapters.Transport.
func (t *transport) SetWakeup(at time.Time) {
	t.loop.RemoveTimeout(t.wakeup)
	t.wakeup = nil
	if at.IsZero() || t.phase >= phaseAborted {
		return
	}
	t.wakeup = &Timeout{at: time.Now().Add(time.Until(at)), t: t} // monotonic, which at need not be
	t.loop.timers.add(t.wakeup)
}

// Close implements adapters.Transport.
func (t *transport) Close() {
	if t.phase < phaseClosing {
		t.phase, t.discard = phaseClosing, true
	}
}

// Abort implements adapters.Transport.
func (t *transport) Abort() {
	if t.phase < phaseAborted {
		t.phase, t.cause = phaseAborted, nil
	}
}

// String is for debugging.
func (t *transport) String() string { return fmt.Sprintf("%s to %s", t.local, t.remote) }
