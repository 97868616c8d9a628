package stream

import (
	"fmt"
	"net"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/internal/instant"
)

// Engine waits on behalf of one transport. All but Rouse is called inside the
// transport's own methods, which the engine calls one at a time.
type Engine interface {
	// Watch has the engine call Read, or Input, while read is set and the
	// descriptor is readable, and Writable while write is set and it is writable.
	Watch(read, write bool) error
	// Arm has the engine call Expired at the time, or later. It replaces the time
	// before; none disarms.
	Arm(at instant.Instant)
	// Rouse has the engine call Woken soon. Any goroutine calls it, also after
	// the end.
	Rouse()
	// Release ends the watch and the timer, and closes the descriptor. It is
	// called once, before OnClose.
	Release()
	// Local and Remote are the addresses of the connection.
	Local() net.Addr
	Remote() net.Addr
	// Report is told of panics in OnClose, which nobody else hears of.
	Report(err error)
}

// Transport is an adapters.Transport on a descriptor that does not block.
type Transport struct {
	engine Engine
	h      adapters.Handler
	fd     int
	alarm  int32 // place among the loop's Alarms, counting from 1; 0: none
	waking atomic.Bool

	phase    phase
	deaf     bool            // SetReading(false)
	discard  bool            // Close was called: input counts no more
	out      *[]byte         // nil when there is nothing to send
	off      int             // of out: what is before it has been sent
	cause    error           // of OnClose
	wakeAt   instant.Instant // SetWakeup
	lingerAt instant.Instant // the end of lingering
	armed    instant.Instant // as the engine knows
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

// lingering is how long a transport is still read that will send nothing more:
// after Close for the peer's end, after a failed write for its last words.
const lingering = time.Second

// Init makes t the transport of a descriptor.
func (t *Transport) Init(e Engine, fd int, h adapters.Handler) { t.engine, t.fd, t.h = e, fd, h }

// Descriptor is that of the connection, also after it has been closed.
func (t *Transport) Descriptor() int { return t.fd }

// SetDescriptor gives t a descriptor that was not known to Init, before Open.
func (t *Transport) SetDescriptor(fd int) { t.fd = fd }

// Open begins: OnOpen is called. The engine has not begun to watch, and is told
// to by Watch; an error of its preparations ends the transport.
func (t *Transport) Open(err error) {
	t.phase = phaseOpen
	t.call(func(now time.Time) { t.h.OnOpen(t, now) })
	if err != nil && t.phase < phaseGone {
		t.cause = err
		t.end()
	}
}

// Read takes what has come, one buffer of it.
func (t *Transport) Read(buffer []byte) {
	if t.phase >= phaseAborted {
		return
	}
	n, err := readSocket(t.fd, buffer)
	switch {
	case err == errWouldBlock:
	case err != nil:
		t.Lost(err)
	case n == 0:
		t.Lost(nil)
	default:
		t.Input(buffer[:n])
	}
}

// Input passes on what the engine has read.
func (t *Transport) Input(p []byte) {
	if t.discard || t.deaf {
		return
	}
	t.call(func(now time.Time) { t.h.OnData(p, now) })
	if scribble {
		clear(p)
	}
}

// Lost is the end of input: nil for the peer's orderly one.
func (t *Transport) Lost(err error) {
	if t.phase <= phaseClosing {
		t.cause = t.failure("read", err)
	}
	t.end()
}

// Writable sends what waits.
func (t *Transport) Writable() {
	if t.phase == phaseOpen || t.phase == phaseClosing {
		t.settle()
	}
}

// Woken answers Rouse.
func (t *Transport) Woken() {
	t.waking.Store(false) // a Wake from here on gets a call of its own
	t.call(func(now time.Time) { t.h.OnWake(now) })
}

// Expired answers Arm.
func (t *Transport) Expired() {
	now := instant.Now()
	t.armed = 0
	switch {
	case t.phase >= phaseAborted:
	case t.lingerAt != 0 && now >= t.lingerAt:
		t.end()
	case t.wakeAt != 0 && now >= t.wakeAt:
		t.wakeAt = 0
		t.call(func(now time.Time) { t.h.OnWake(now) })
	default:
		t.rearm() // it was moved while this call was on its way
	}
}

// Abandon ends the transport because the loop ends.
func (t *Transport) Abandon() {
	if t.phase < phaseAborted {
		t.cause = nil
	}
	t.end()
}

// call runs the handler and then does what it asked for. A panic ends the
// transport and is what OnClose gets.
func (t *Transport) call(f func(now time.Time)) {
	if t.phase >= phaseAborted || t.phase == phaseNew {
		return
	}
	if err := guarded(f); err != nil {
		t.cause = err
		t.phase = phaseAborted
	}
	t.settle()
}

func guarded(f func(now time.Time)) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &adapters.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	f(time.Now())
	return nil
}

// settle sends what was written and ends what was ended. Outside handler calls.
func (t *Transport) settle() {
	if t.phase == phaseOpen || t.phase == phaseClosing {
		t.flush()
	}
	switch {
	case t.phase == phaseAborted:
		t.end()
	case t.phase == phaseClosing && t.Buffered() == 0:
		t.closeWrite()
	}
	if t.phase >= phaseAborted {
		return
	}
	t.rearm()
	if err := t.engine.Watch(!t.deaf || t.phase > phaseOpen, t.Buffered() > 0); err != nil {
		t.Lost(err)
	}
}

// rearm sets the engine's timer to the first of ours.
func (t *Transport) rearm() {
	if at := instant.Earlier(t.wakeAt, t.lingerAt); at != t.armed {
		t.armed = at
		t.engine.Arm(at)
	}
}

// closeWrite tells the peer that nothing more comes, and leaves it a little time
// to end its side: to close with unread input would reset the connection.
func (t *Transport) closeWrite() {
	if shutdownWrite(t.fd) != nil {
		t.end()
		return
	}
	t.linger()
}

func (t *Transport) linger() {
	t.phase = phaseLingering
	t.lingerAt = instant.Now().Add(lingering)
}

// end is the end: the descriptor is closed, and the handler told.
func (t *Transport) end() {
	if t.phase == phaseGone {
		return
	}
	t.phase = phaseGone
	t.drop()
	t.engine.Release()
	if err := guarded(func(now time.Time) { t.h.OnClose(t.cause, now) }); err != nil {
		t.engine.Report(err)
	}
}

// failure dresses an error as package net does.
func (t *Transport) failure(op string, err error) error {
	if err == nil {
		return nil
	}
	local := t.engine.Local()
	return &net.OpError{Op: op, Net: local.Network(), Source: local, Addr: t.engine.Remote(), Err: err}
}

// LocalAddr implements adapters.Transport.
func (t *Transport) LocalAddr() net.Addr { return t.engine.Local() }

// RemoteAddr implements adapters.Transport.
func (t *Transport) RemoteAddr() net.Addr { return t.engine.Remote() }

// Wake implements adapters.Transport.
func (t *Transport) Wake() {
	if !t.waking.Swap(true) {
		t.engine.Rouse()
	}
}

// SetReading implements adapters.Transport.
func (t *Transport) SetReading(on bool) { t.deaf = !on }

// SetWakeup implements adapters.Transport.
func (t *Transport) SetWakeup(at time.Time) {
	t.wakeAt = 0
	if !at.IsZero() {
		wait := time.Until(at)             // first: what passes until Now makes it late, not early
		t.wakeAt = instant.Now().Add(wait) // monotonic, which at need not be
	}
}

// Close implements adapters.Transport.
func (t *Transport) Close() {
	if t.phase < phaseClosing {
		t.phase, t.discard = phaseClosing, true
	}
}

// Abort implements adapters.Transport.
func (t *Transport) Abort() {
	if t.phase < phaseAborted {
		t.phase, t.cause = phaseAborted, nil
	}
}

// String is for debugging.
func (t *Transport) String() string {
	return fmt.Sprintf("%s to %s", t.engine.Local(), t.engine.Remote())
}
