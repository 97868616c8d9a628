//go:build !windows

package netpollloop

import (
	"context"
	"log"
	"net"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/cloudwego/netpoll"
	"github.com/haypile/haypile/adapters"
)

// begin hands the connection to netpoll, which reads from then on, and calls for
// what it has read when OnRequest is set. Attach has taken the turn.
func (t *transport) begin() {
	conn, err := netpoll.NewFDConnection(t.fd)
	if err == nil {
		t.conn = conn
		conn.AddCloseCallback(func(netpoll.Connection) error {
			t.finish()
			return nil
		})
	}
	t.inTurn(func() { t.h.OnOpen(t, time.Now()) })
	t.turn.Unlock()
	if err != nil { // netpoll has closed the descriptor
		t.do(func() { t.abort(err) })
		t.finish()
		return
	}
	conn.SetOnRequest(t.input)
	if !conn.IsActive() { // it ended before netpoll knew that somebody wants to be told
		conn.Close()
	}
}

// input is netpoll's OnRequest. It takes some of what has come; netpoll calls
// again for the rest.
func (t *transport) input(_ context.Context, conn netpoll.Connection) error {
	r := conn.Reader()
	p, err := r.Next(min(r.Len(), adapters.LowWater))
	if err != nil {
		return err
	}
	t.do(func() { t.take(p) })
	return r.Release()
}

func (t *transport) take(p []byte) {
	switch {
	case t.discard:
	case !t.deaf:
		t.h.OnData(p, time.Now())
	case len(t.held)+len(p) > heldMost:
		t.abort(ErrReadAhead)
	default:
		t.held = append(t.held, p...)
	}
}

// answer answers Wake.
func (t *transport) answer() {
	t.do(func() {
		t.waking.Store(false) // before the call: a Wake from here on gets another
		t.h.OnWake(time.Now())
	})
}

// expire is the timer's. It may have been on its way when the wakeup was moved.
func (t *transport) expire() {
	t.do(func() {
		if now := time.Now(); !t.wakeAt.IsZero() && !now.Before(t.wakeAt) {
			t.wakeAt = time.Time{}
			t.h.OnWake(now)
		}
	})
}

// do runs f in a turn and sees to what the handler asked for.
func (t *transport) do(f func()) {
	t.turn.Lock()
	defer t.turn.Unlock()
	t.inTurn(f)
}

func (t *transport) inTurn(f func()) {
	t.guarded(f)
	for !t.deaf && len(t.held) > 0 {
		p := t.held
		t.held = nil
		t.guarded(func() { t.take(p) })
	}
	switch {
	case t.conn == nil:
	case t.phase == phaseAborted && !t.leaving:
		t.leaving = true
		// Off this stack: netpoll tells the end before its Close returns.
		t.spawn(func() { t.conn.Close() })
	case t.phase <= phaseClosing && !t.writing && (len(t.out) > 0 || t.phase == phaseClosing):
		t.writing = true
		t.spawn(t.write)
	}
}

func (t *transport) guarded(f func()) {
	defer func() {
		if v := recover(); v != nil {
			t.abort(&adapters.PanicError{Value: v, Stack: debug.Stack()})
		}
	}()
	if t.phase < phaseAborted {
		f()
	}
}

// finish makes the last call. netpoll closes the descriptor afterwards, so until
// here its number is ours.
func (t *transport) finish() {
	t.spawning.Lock()
	t.gone = true
	t.spawning.Unlock()
	t.turn.Lock()
	defer t.turn.Unlock()
	defer t.loop.forget(t)
	if t.phase <= phaseClosing {
		t.cause = t.reset()
	}
	t.abort(t.cause)
	for _, timer := range []*time.Timer{t.timer, t.grace} {
		if timer != nil {
			timer.Stop()
		}
	}
	defer func() {
		if v := recover(); v != nil { // there is nobody left to tell
			log.Printf("amqp: OnClose panicked: %v\n%s", v, debug.Stack())
		}
	}()
	t.h.OnClose(t.cause, time.Now())
}

// reset tells whether the peer broke off. netpoll does not say why a connection
// ended; but one that was reset has no peer any more.
func (t *transport) reset() error {
	if _, ok := t.local.(*net.TCPAddr); !ok {
		return nil
	}
	if _, err := syscall.Getpeername(t.fd); err == nil {
		return nil
	}
	return &net.OpError{Op: "read", Net: "tcp", Source: t.local, Addr: t.remote, Err: syscall.ECONNRESET}
}

// spawn runs f on a goroutine that the loop's Done waits for, unless the
// transport is over.
func (t *transport) spawn(f func()) {
	t.spawning.Lock()
	defer t.spawning.Unlock()
	if !t.gone {
		t.loop.running.Go(f)
	}
}
