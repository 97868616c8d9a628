// Package smallest is the loop that the guide, adapters/README.md, walks through:
// complete, on any net.Conn, with three goroutines for each connection.
package smallest

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"github.com/haypile/haypile/adapters"
)

// Loop is an adapters.Loop.
type Loop struct {
	mu      sync.Mutex // nothing is attached once ctx has ended
	ctx     context.Context
	stop    context.CancelFunc
	running sync.WaitGroup
	done    chan struct{}
}

// New returns a loop that runs until Close.
func New() *Loop {
	l := &Loop{done: make(chan struct{})}
	l.ctx, l.stop = context.WithCancel(context.Background())
	context.AfterFunc(l.ctx, func() {
		l.running.Wait()
		close(l.done)
	})
	return l
}

// Attach implements adapters.Loop.
func (l *Loop) Attach(conn net.Conn, h adapters.Handler) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		conn.Close()
		return adapters.ErrClosed
	}
	t := &transport{conn: conn, h: h, wake: make(chan struct{}, 1), timer: time.NewTimer(0)}
	t.timer.Stop()
	t.changed.L = &t.turn
	t.ctx, t.end = context.WithCancel(l.ctx)
	l.running.Go(t.run)
	return nil
}

// Close implements adapters.Loop.
func (l *Loop) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stop()
	return nil
}

// Done implements adapters.Loop.
func (l *Loop) Done() <-chan struct{} { return l.done }

// transport is one connection. Its methods, except Wake, are called in a turn.
type transport struct {
	conn  net.Conn
	h     adapters.Handler
	wake  chan struct{} // holds one: calls of Wake coalesce
	timer *time.Timer
	ctx   context.Context // of the loop, and ends with run
	end   context.CancelFunc

	turn    sync.Mutex // held during calls of the handler; guards what follows
	changed sync.Cond
	phase   phase
	deaf    bool // SetReading(false)
	discard bool // Close was called: input counts no more
	out     []byte
	cause   error // of OnClose
}

// phase is how far a transport is on its way. It only goes forward.
type phase int

const (
	open      phase = iota
	closing         // Close was called, output is leaving
	lingering       // nothing more is sent; the peer's end is awaited
	aborted         // nothing counts any more
)

// run makes the first call and the last.
func (t *transport) run() {
	t.do(func(now time.Time) { t.h.OnOpen(t, now) })
	var others sync.WaitGroup
	others.Go(t.write)
	others.Go(t.wait)
	err := t.read()
	t.do(func(time.Time) {
		cause := t.cause
		if t.phase <= closing && !errors.Is(err, io.EOF) {
			cause = err
		}
		t.abort(cause)
	})
	t.end()
	others.Wait()
	defer func() {
		if v := recover(); v != nil {
			log.Printf("amqp: OnClose panicked: %v\n%s", v, debug.Stack())
		}
	}()
	t.h.OnClose(t.cause, time.Now())
}

// do runs f in a turn, unless it is too late.
func (t *transport) do(f func(now time.Time)) {
	t.turn.Lock()
	defer t.turn.Unlock()
	defer func() {
		if v := recover(); v != nil {
			t.abort(&adapters.PanicError{Value: v, Stack: debug.Stack()})
		}
	}()
	if t.phase < aborted {
		f(time.Now())
	}
}

// read is a goroutine's: it runs OnData.
func (t *transport) read() error {
	for buf := make([]byte, 16<<10); ; {
		n, err := t.conn.Read(buf)
		t.do(func(time.Time) {
			for t.deaf && t.phase == open {
				t.changed.Wait() // which lets others have their turns
			}
			if n > 0 && !t.deaf && !t.discard && t.phase < aborted {
				t.h.OnData(buf[:n], time.Now())
			}
		})
		if err != nil {
			return err
		}
	}
}

// wait is a goroutine's: it runs OnWake.
func (t *transport) wait() {
	for {
		select {
		case <-t.wake:
		case <-t.timer.C:
		case <-t.ctx.Done():
			t.do(func(time.Time) { t.Abort() })
			return
		}
		t.do(func(now time.Time) { t.h.OnWake(now) })
	}
}

// write is a goroutine's: it waits for the peer, so that no call has to.
func (t *transport) write() {
	for p := t.next(); p != nil; p = t.next() {
		n, err := t.conn.Write(p)
		t.do(func(time.Time) { t.sent(n, err) })
	}
}

// next waits for output. nil: there will be none.
func (t *transport) next() []byte {
	t.turn.Lock()
	defer t.turn.Unlock()
	for len(t.out) == 0 && t.phase == open {
		t.changed.Wait()
	}
	if len(t.out) == 0 && t.phase == closing {
		t.linger()
		if c, ok := t.conn.(interface{ CloseWrite() error }); !ok || c.CloseWrite() != nil {
			t.conn.Close()
		}
	}
	if t.phase > closing {
		return nil
	}
	return t.out[:min(len(t.out), adapters.LowWater)]
}

// sent counts what has left.
func (t *transport) sent(n int, err error) {
	before := len(t.out)
	if t.out = t.out[n:]; before > adapters.LowWater && len(t.out) <= adapters.LowWater {
		t.Wake()
	}
	if err != nil {
		t.out, t.cause = nil, err
		t.linger()
	}
}

// linger has the peer say its last words, for a second at most.
func (t *transport) linger() {
	t.enter(lingering)
	t.conn.SetReadDeadline(time.Now().Add(time.Second))
}

func (t *transport) enter(p phase) {
	t.phase = max(t.phase, p)
	t.changed.Broadcast()
}

func (t *transport) abort(cause error) {
	if t.phase < aborted {
		t.out, t.cause = nil, cause
		t.enter(aborted)
		t.conn.Close()
	}
}

func (t *transport) Write(segs [][]byte) {
	if t.phase == open {
		for _, s := range segs {
			t.out = append(t.out, s...)
		}
		t.changed.Broadcast()
	}
}

func (t *transport) Buffered() int { return len(t.out) }

func (t *transport) SetReading(on bool) {
	t.deaf = !on
	t.changed.Broadcast()
}

func (t *transport) SetWakeup(at time.Time) {
	if t.timer.Stop(); !at.IsZero() {
		t.timer.Reset(time.Until(at))
	}
}

func (t *transport) Wake() {
	select {
	case t.wake <- struct{}{}:
	default: // the one that waits will answer this one, too
	}
}

func (t *transport) Close() {
	t.discard = true
	t.enter(closing)
}

func (t *transport) Abort() { t.abort(nil) }

func (t *transport) LocalAddr() net.Addr { return t.conn.LocalAddr() }

func (t *transport) RemoteAddr() net.Addr { return t.conn.RemoteAddr() }
