package adaptertest

import (
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/haypile/haypile/adapters"
)

// simTransport is a connection with its handler. Everything is under Sim.mu.
type simTransport struct {
	sim  *Sim
	conn *SimConn
	h    adapters.Handler

	event   *event // the next turn
	wakeup  *event // the timer
	opened  bool
	waking  bool
	fed     bool // the last call was OnData: an OnWake comes before another
	deaf    bool // SetReading(false)
	closing bool // Close
	aborted bool
	over    bool // OnClose has begun
	cause   error
	out     []byte
}

// turn is a call of the handler.
type turn uint8

const (
	turnNone turn = iota
	turnOpen
	turnWake
	turnData
	turnClose
)

// due is the call that must be made next.
func (t *simTransport) due() turn {
	in := &t.conn.peer.out
	readable := len(in.arrived) > 0 && !t.deaf && !t.closing
	switch {
	case t.over:
		return turnNone
	case !t.opened:
		return turnOpen
	case t.aborted, t.conn.closed:
		return turnClose
	case !readable && (in.ended && !t.deaf || t.conn.broken || t.closing && len(t.out) == 0):
		return turnClose
	case t.waking && (t.fed || !readable):
		return turnWake
	case readable:
		return turnData
	default:
		return turnNone
	}
}

// soon has the transport take a turn if there is a reason.
func (t *simTransport) soon() {
	if t.event == nil && t.due() != turnNone {
		t.event = t.sim.add(time.Now(), t.conn.who(), t.takeTurn)
	}
}

// takeTurn makes one call of the handler.
func (t *simTransport) takeTurn() {
	t.event = nil
	switch due := t.due(); due {
	case turnNone:
	case turnClose:
		t.finish()
	default:
		t.run(due)
		t.flush()
		t.soon()
	}
}

func (t *simTransport) run(call turn) {
	switch call {
	case turnOpen:
		t.opened = true
		t.call(func(now time.Time) { t.h.OnOpen(t, now) })
	case turnWake:
		t.waking, t.fed = false, false
		t.call(t.h.OnWake)
	case turnData:
		t.fed = true
		p := t.conn.peer.out.read(packetSize)
		t.call(func(now time.Time) { t.h.OnData(p, now) })
		clear(p) // finds handlers that keep what was lent
	}
}

// call makes a call of the handler. A panic ends the transport.
func (t *simTransport) call(f func(now time.Time)) {
	t.sim.unlocked(func() {
		defer func() {
			if v := recover(); v != nil {
				t.Abort()
				t.cause = &adapters.PanicError{Value: v, Stack: debug.Stack()}
			}
		}()
		f(time.Now())
	})
}

// finish makes the last call.
func (t *simTransport) finish() {
	switch in := &t.conn.peer.out; {
	case t.aborted, in.ended && !t.deaf:
	case t.conn.closed:
		t.cause = t.conn.failure("read", net.ErrClosed)
	case t.conn.broken:
		t.cause = t.conn.failure("read", syscall.ECONNRESET)
	}
	t.over, t.out = true, nil
	t.sim.remove(t.wakeup)
	t.conn.shut()
	defer t.sim.forgetTransport(t)
	t.sim.unlocked(func() {
		defer func() {
			if v := recover(); v != nil { // there is nobody left to tell but the process
				fmt.Fprintf(os.Stderr, "amqp: OnClose panicked: %v\n%s", v, debug.Stack())
			}
		}()
		t.h.OnClose(t.cause, time.Now())
	})
}

// flush gives the network what it takes.
func (t *simTransport) flush() {
	before := len(t.out)
	if before == 0 || t.conn.broken || t.conn.closed {
		return
	}
	t.out = t.out[t.conn.out.send(t.out):]
	if before > adapters.LowWater && len(t.out) <= adapters.LowWater {
		t.waking = true
		t.soon()
	}
	if len(t.out) == 0 {
		t.out = nil
		t.soon() // Close may wait for this
	}
}

// Write implements adapters.Transport.
func (t *simTransport) Write(segs [][]byte) {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	if t.closing || t.aborted || t.over {
		return
	}
	for _, s := range segs {
		t.out = append(t.out, s...)
	}
}

// Buffered implements adapters.Transport.
func (t *simTransport) Buffered() int {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	return len(t.out)
}

// SetReading implements adapters.Transport.
func (t *simTransport) SetReading(on bool) {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	t.deaf = !on && !t.closing // to see the peer's end
	t.soon()
}

// SetWakeup implements adapters.Transport.
func (t *simTransport) SetWakeup(at time.Time) {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	t.sim.remove(t.wakeup)
	t.wakeup = nil
	if at.IsZero() || t.over {
		return
	}
	at = time.Now().Add(time.Until(at)) // monotonic, which at need not be
	t.wakeup = t.sim.add(at, t.conn.who(), func() {
		t.wakeup, t.waking = nil, true
		t.soon()
	})
}

// Wake implements adapters.Transport.
func (t *simTransport) Wake() {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	t.waking = true
	t.soon()
}

// Close implements adapters.Transport.
func (t *simTransport) Close() {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	t.close()
}

func (t *simTransport) close() {
	t.closing, t.deaf = true, false
	t.conn.peer.out.dropArrived()
	t.soon()
}

// Abort implements adapters.Transport.
func (t *simTransport) Abort() {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	t.abort()
}

func (t *simTransport) abort() {
	t.aborted, t.out = true, nil
	t.soon()
}

// LocalAddr implements adapters.Transport.
func (t *simTransport) LocalAddr() net.Addr { return t.conn.LocalAddr() }

// RemoteAddr implements adapters.Transport.
func (t *simTransport) RemoteAddr() net.Addr { return t.conn.RemoteAddr() }
