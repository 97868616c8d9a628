package driver

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/core"
)

// Conn is a connection on a loop: a client's, from the first attempt to the end,
// or one that a Server has accepted, which is open from the beginning. Its
// methods may be called from any goroutine unless they say otherwise.
type Conn struct {
	handler core.ClientHandler // nil for a server's
	server  *Server            // nil for a client's
	onDrain func(c *core.Conn, now time.Time)
	onFlush func(d *Conn, c *core.Conn, now time.Time)
	budget  time.Duration // Params.LatencyBudget

	notified atomic.Bool
	pauses   PauseReason // on the loop
	closing  closing     // under mu: what Close or Abort asked for
	ended    bool        // under mu: nothing is queued any more
	over     bool        // under mu: done is closed, or would be

	mu     sync.Mutex // everything below
	live   *session   // the attempt that reached OnOpen; nil before
	queue  []func(*core.Conn)
	spare  []func(*core.Conn) // the queue before, whose memory is used again
	timers *timers            // absent as long as none was set
	cancel context.CancelFunc // ends the attempts; nil when there are no more
	done   chan struct{}      // absent as long as nobody asked for it
	err    error
}

// closing is how a connection is asked to end.
type closing uint8

const (
	closeNot closing = iota
	closeOrderly
	closeAbort
)

// AddCallbackThreadsafe has fn run on the loop, after all that were added
// before. Callbacks of one batch leave in one write. Added before the
// connection is open, they wait for it; added from a callback, they run in a
// later pass.
//
// nil means that fn will run exactly once, unless the connection never opens;
// Err then says why. The connection may have ended when fn runs: c.IsOpen and
// Channel.IsOpen tell, and calls on them return core.ErrClosed. ErrClosed means
// that the connection has ended and fn will not run.
func (d *Conn) AddCallbackThreadsafe(fn func(c *core.Conn)) error {
	d.mu.Lock()
	if d.ended {
		d.mu.Unlock()
		return ErrClosed
	}
	d.queue = append(d.queue, fn)
	live := d.live
	first := len(d.queue) == 1
	d.mu.Unlock()
	if first && live != nil {
		live.transport.Wake()
	}
	return nil
}

// Notify has Params.OnDrain, or a server's Drainer, run on the loop soon, once for
// any number of calls. It is AddCallbackThreadsafe for those who keep a queue of
// their own. Before
// the connection is open it waits; after the end it does nothing.
func (d *Conn) Notify() {
	if d.notified.Swap(true) {
		return
	}
	d.wake()
}

// NotifyHere is Notify for a goroutine that then waits for what comes of it: OnDrain
// may run on that goroutine, before NotifyHere returns, where the adapter has such an
// adapters.Prompt. The caller must hold no lock that callbacks take.
func (d *Conn) NotifyHere() {
	if d.notified.Swap(true) {
		return
	}
	s := d.session()
	if s == nil {
		return
	}
	if t, ok := s.transport.(adapters.Prompt); ok {
		t.WakeHere()
	} else {
		s.transport.Wake()
	}
}

func (d *Conn) wake() {
	if s := d.session(); s != nil {
		s.transport.Wake()
	}
}

// PauseReason is a set of reasons for not reading from the broker.
type PauseReason uint8

const (
	// PauseInbox: what was read finds no room. The heartbeat's receive deadline
	// rests, since silence proves nothing while nobody listens.
	PauseInbox PauseReason = 1 << iota
	// PauseBudget: a rest of Params.LatencyBudget, with which the connection ends
	// one itself. The receive deadline goes on.
	PauseBudget
)

// TLS is the state of the connection's encryption: version, cipher suite, the
// peer's certificates. Nil for a plain connection, and before one is open.
func (d *Conn) TLS() *tls.ConnectionState {
	d.mu.Lock()
	live := d.live
	d.mu.Unlock()
	if live == nil || live.tls == nil {
		return nil
	}
	state := live.tls.tls.ConnectionState()
	return &state
}

// Pause adds reasons for not reading; the connection reads while there are
// none. Writing, timers and our heartbeats go on. Only for callbacks and
// handlers on the loop.
func (d *Conn) Pause(why PauseReason) { d.pauses |= why }

// Resume takes reasons away. Only for callbacks and handlers on the loop.
func (d *Conn) Resume(why PauseReason) { d.pauses &^= why }

// Close ends the connection in good order: while connecting, by giving up; once
// open, by the closing handshake, after what callbacks queued has been sent. It
// returns at once; Done tells when it is over. Calls after the first change
// nothing.
func (d *Conn) Close() { d.end(closeOrderly) }

// Abort ends the connection now, without a word to the broker.
func (d *Conn) Abort() { d.end(closeAbort) }

func (d *Conn) end(how closing) {
	d.mu.Lock()
	d.closing = max(d.closing, how)
	cancel := d.cancel
	d.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	d.wake()
}

// connected forgets what was for connecting alone: an open connection may live
// for long, and there may be many.
func (d *Conn) connected() {
	d.mu.Lock()
	cancel := d.cancel
	d.cancel = nil
	d.mu.Unlock()
	cancel()
}

// Done is closed when the connection has ended: after the handler's OnClose, or
// when the last attempt has failed.
func (d *Conn) Done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.done == nil {
		d.done = make(chan struct{})
		if d.over {
			close(d.done)
		}
	}
	return d.done
}

// conclude is the very last that a connection does.
func (d *Conn) conclude() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over = true
	if d.done != nil {
		close(d.done)
	}
}

// Err is why the connection ended: nil before the end and after an orderly
// Close, a *DialError when it never opened, else what OnClose was given.
func (d *Conn) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

// LocalAddr is our address, nil before the connection is open.
func (d *Conn) LocalAddr() net.Addr {
	if s := d.session(); s != nil {
		return s.ends().LocalAddr()
	}
	return nil
}

// RemoteAddr is the broker's address, nil before the connection is open.
func (d *Conn) RemoteAddr() net.Addr {
	if s := d.session(); s != nil {
		return s.ends().RemoteAddr()
	}
	return nil
}

func (d *Conn) session() *session {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.live
}

// became is told by the session that reached OnOpen and from now on is the
// connection. It is false when the session had been given up.
func (d *Conn) became(s *session) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if o := s.opening; o != nil && o.givenUp {
		return false
	}
	d.live = s
	return true
}

// giveUp makes an attempt end that nobody waits for any more. It is false when
// the attempt has become the connection.
func (d *Conn) giveUp(o *opening) bool {
	d.mu.Lock()
	if d.live != nil {
		d.mu.Unlock()
		return false
	}
	o.givenUp = true
	t := o.begun
	d.mu.Unlock()
	if t != nil {
		t.Wake()
	}
	return true
}

// begin is told by a session that has its transport.
func (d *Conn) begin(s *session) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s.opening != nil {
		s.opening.begun = s.transport
	}
}

// gaveUp tells a session whether nobody waits for it any more.
func (d *Conn) gaveUp(s *session) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return s.opening.givenUp
}

// finish marks the end. What is still queued is returned, to be run.
func (d *Conn) finish(err error) []func(*core.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	left := d.queue
	d.queue, d.ended, d.err = nil, true, err
	d.timers.drop()
	return left
}

// nextCallbacks takes what was queued, and the timers that are due.
func (d *Conn) nextCallbacks(now time.Time) (callbacks []func(*core.Conn), how closing) {
	d.mu.Lock()
	defer d.mu.Unlock()
	callbacks = append(d.queue, d.timers.due(now)...)
	d.queue, d.spare = d.spare, nil
	return callbacks, d.closing
}

// putBack is told of callbacks that have not run, because one before them panicked.
func (d *Conn) putBack(callbacks []func(*core.Conn)) {
	if len(callbacks) == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queue = append(callbacks, d.queue...)
}

// keepCallbacks bounds the queue that is kept.
const keepCallbacks = 1024

// haveRun takes back the memory of callbacks that have run, and tells whether there
// are others.
func (d *Conn) haveRun(callbacks []func(*core.Conn)) (more bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if cap(callbacks) <= keepCallbacks {
		d.spare = callbacks[:0]
	}
	return len(d.queue) > 0
}

func (d *Conn) nextTimer() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.timers.next()
}
