//go:build !windows

package netpollloop

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cloudwego/netpoll"
	"github.com/haypile/haypile/adapters"
)

// ErrReadAhead ends a transport that stopped reading and got more than 1 MiB
// nevertheless.
var ErrReadAhead = errors.New("amqp: netpoll cannot stop reading")

const (
	heldMost  = 1 << 20     // what is kept while reading is off
	lingering = time.Second // how long the peer's last words are waited for
)

// phase is how far a transport is on its way. It only goes forward.
type phase int

const (
	phaseOpen      phase = iota
	phaseClosing         // Close was called, output is leaving
	phaseLingering       // nothing more is sent; the peer's end is awaited
	phaseAborted         // nothing counts any more
)

// transport is one connection. Its methods, except Wake, are called in a turn.
type transport struct {
	loop          *Loop
	conn          netpoll.Connection // nil if netpoll did not take it
	fd            int
	local, remote net.Addr
	h             adapters.Handler
	waking        atomic.Bool

	spawning sync.Mutex
	gone     bool // under spawning: no goroutine is started any more

	turn    sync.Mutex // held during calls of the handler; guards what follows
	phase   phase
	deaf    bool   // SetReading(false)
	discard bool   // Close was called: input counts no more
	held    []byte // what came while deaf
	out     []byte
	writing bool      // a goroutine is in write
	leaving bool      // netpoll has been told to close
	cause   error     // of OnClose
	wakeAt  time.Time // zero for never
	timer   *time.Timer
	grace   *time.Timer // ends lingering
}

// Write implements adapters.Transport.
func (t *transport) Write(segs [][]byte) {
	if t.phase != phaseOpen {
		return
	}
	for _, s := range segs {
		t.out = append(t.out, s...)
	}
}

// Buffered implements adapters.Transport.
func (t *transport) Buffered() int { return len(t.out) }

// SetReading implements adapters.Transport.
func (t *transport) SetReading(on bool) { t.deaf = !on }

// SetWakeup implements adapters.Transport.
func (t *transport) SetWakeup(at time.Time) {
	t.wakeAt = at
	switch {
	case at.IsZero() || t.phase >= phaseAborted:
		if t.timer != nil {
			t.timer.Stop()
		}
	case t.timer == nil:
		t.timer = time.AfterFunc(time.Until(at), func() { t.spawn(t.expire) })
	default:
		t.timer.Reset(time.Until(at))
	}
}

// Wake implements adapters.Transport.
func (t *transport) Wake() {
	if !t.waking.Swap(true) {
		t.spawn(t.answer)
	}
}

// Close implements adapters.Transport.
func (t *transport) Close() {
	if t.phase == phaseOpen {
		t.phase = phaseClosing
	}
	t.discard, t.held = true, nil
}

// Abort implements adapters.Transport.
func (t *transport) Abort() { t.abort(nil) }

func (t *transport) abort(cause error) {
	if t.phase < phaseAborted {
		t.phase, t.cause, t.out, t.held = phaseAborted, cause, nil, nil
	}
}

// LocalAddr implements adapters.Transport.
func (t *transport) LocalAddr() net.Addr { return t.local }

// RemoteAddr implements adapters.Transport.
func (t *transport) RemoteAddr() net.Addr { return t.remote }

// write sends what there is. It is a goroutine's, since netpoll's Write waits for
// the peer, and one at a time, since netpoll allows no two.
func (t *transport) write() {
	for p := t.next(); p != nil; p = t.next() {
		_, err := t.conn.Write(p)
		t.do(func() { t.sent(len(p), err) })
	}
}

// next is what to write next, a piece at a time so that Buffered follows.
func (t *transport) next() []byte {
	t.turn.Lock()
	defer t.turn.Unlock()
	if t.phase <= phaseClosing && len(t.out) > 0 {
		return t.out[:min(len(t.out), adapters.LowWater)]
	}
	t.writing = false
	if t.phase == phaseClosing {
		// To close the descriptor instead would reset the connection if there is
		// unread input, and take from the peer what it has not read.
		syscall.Shutdown(t.fd, syscall.SHUT_WR) // an error shows as the end
		t.linger()
	}
	return nil
}

func (t *transport) sent(n int, err error) {
	if t.phase > phaseClosing {
		return
	}
	switch before := len(t.out); {
	case errors.Is(err, netpoll.ErrConnClosed):
		t.out = nil // the end is on its way, with a better reason
	case err != nil:
		t.out, t.cause = nil, err
		t.linger()
	default:
		if t.out = t.out[n:]; before > adapters.LowWater && len(t.out) <= adapters.LowWater {
			t.Wake()
		}
	}
}

// linger has the peer say its last words.
func (t *transport) linger() {
	t.phase = phaseLingering
	t.grace = time.AfterFunc(lingering, func() {
		t.spawn(func() { t.do(func() { t.abort(t.cause) }) })
	})
}
