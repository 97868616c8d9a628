package stdnet

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/internal/instant"
)

// lingering is how long a transport is still read that will send nothing more:
// after Close for the peer's end, after a failed write for its last words.
const lingering = time.Second

// transport is one connection. Three kinds of goroutine work on it: run reads, one
// after the other for as long as the transport lives; serve, or who calls WakeHere, runs
// OnWake and writes, and flushRest waits for a kernel that takes no more, each only while
// there is something to do.
type transport struct {
	loop   *Loop
	conn   net.Conn
	socket socket
	h      adapters.Handler

	turn     sync.Mutex      // held during handler calls; never taken under mu
	silent   bool            // under turn: the calls are over
	panicked error           // under turn: the cause of OnClose, before any other
	waking   atomic.Int32    // how far the answer to Wake is
	rested   bool            // of the reader: it had nothing to do for long
	heard    instant.Instant // of the reader: when the handler was last called by it

	mu      sync.Mutex // everything below
	changed *sync.Cond // on mu: phase or deaf changed; absent while nobody waits
	phase   phase
	deaf    bool // SetReading(false)
	discard bool // Close was called: input counts no more
	out     output
	cause   error // of OnClose
	timer   *time.Timer
	wakeAt  instant.Instant
	unwound bool // the timer is not set for wakeAt
}

// phase is how far a transport is on its way. It only goes forward.
type phase uint8

const (
	phaseOpen      phase = iota
	phaseClosing         // Close was called, output is leaving
	phaseLingering       // nothing more is sent; the peer's end is awaited
	phaseAborted         // nothing counts any more
	phaseGone            // run has ended: no goroutine may be started
)

func newTransport(l *Loop, conn net.Conn, h adapters.Handler) *transport {
	return &transport{loop: l, conn: conn, socket: newSocket(conn), h: h}
}

// run makes the handler's first call, and reads.
func (t *transport) run() {
	t.call(callOpen, nil)
	t.read()
}

// restAfter is how long a reader has nothing to do that has a new goroutine follow
// it.
const restAfter = time.Second

// read reads until the transport ends, and makes the handler's last call. The
// handler's calls have made the goroutine's stack larger than waiting needs it, and
// it stays so. An idle connection is one that mostly waits: there, a goroutine that
// has come to call the handler leaves the next wait to a new one.
func (t *transport) read() {
	var err error
	for err == nil && t.awaitReading() {
		err = t.socket.read(t)
		if err == nil && t.rested {
			t.rested = false
			go t.read()
			return
		}
	}
	defer t.loop.forget(t)
	cause := t.retire(err)
	t.conn.Close()
	t.finish(cause)
}

// awaitReading waits while reading is off. False means that there is nothing to
// read for.
func (t *transport) awaitReading() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.deaf && t.phase == phaseOpen {
		if t.changed == nil {
			t.changed = sync.NewCond(&t.mu)
		}
		t.changed.Wait()
	}
	t.changed = nil
	return t.phase < phaseAborted
}

// wanted tells whether input is for the handler. What was read before reading was
// turned off still is.
func (t *transport) wanted() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.phase < phaseAborted && !t.discard && (!t.deaf || t.phase == phaseOpen)
}

// deliver hands input to the handler, once reading is on. The reader calls it.
func (t *transport) deliver(p []byte) {
	if t.awaitReading() {
		t.call(callData, p)
	}
	if scribble {
		clear(p)
	}
}

// retire settles, when reading has ended with err, why the transport did.
func (t *transport) retire(err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.phase <= phaseClosing && !errors.Is(err, io.EOF) {
		t.cause = err
	}
	t.phase = phaseGone
	t.out.drop()
	if t.timer != nil {
		t.timer.Stop()
	}
	return t.cause
}

// enter moves on to a later phase; false when the transport is beyond it.
func (t *transport) enter(p phase) bool {
	if t.phase >= p {
		return false
	}
	t.phase = p
	t.tell()
	return true
}

// tell is for who waits for changed, which is the reader alone.
func (t *transport) tell() {
	if t.changed != nil {
		t.changed.Signal()
	}
}

// SetReading implements adapters.Transport.
func (t *transport) SetReading(on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.deaf != on {
		return
	}
	t.deaf = !on
	t.socket.doze(t.deaf)
	t.tell()
}

// Close implements adapters.Transport. The flush that follows the call does the
// rest.
func (t *transport) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.enter(phaseClosing) {
		t.discard = true
	}
}

// failed is told that writing does not work any more. What the peer said before
// is still delivered.
func (t *transport) failed(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.enter(phaseLingering) {
		t.cause = err
		t.out.drop()
		t.conn.SetReadDeadline(time.Now().Add(lingering))
	}
}

// Abort implements adapters.Transport. The loop calls it too, so closing is left
// to a goroutine: that of a tls.Conn, for one, waits for the peer.
func (t *transport) Abort() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.enter(phaseAborted) {
		t.cause = nil
		t.out.drop()
		t.start(func(t *transport) { t.conn.Close() })
	}
}

// LocalAddr implements adapters.Transport.
func (t *transport) LocalAddr() net.Addr { return t.conn.LocalAddr() }

// RemoteAddr implements adapters.Transport.
func (t *transport) RemoteAddr() net.Addr { return t.conn.RemoteAddr() }
