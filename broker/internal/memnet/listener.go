package memnet

import (
	"context"
	"net"
	"strconv"
	"sync"
	"syscall"
)

// Addr is a name on a network in memory.
type Addr string

// Network is "memory".
func (Addr) Network() string { return "memory" }

// String is the name.
func (a Addr) String() string { return string(a) }

// Listener is a net.Listener, and the way to reach it. Its methods may be called
// from any goroutine.
type Listener struct {
	addr Addr

	mu      sync.Mutex
	changed sync.Cond // on mu
	backlog []*Conn
	dials   int
	closed  bool
}

// Listen makes a Listener of that name. Names need not be different.
func Listen(name string) *Listener {
	ln := &Listener{addr: Addr(name)}
	ln.changed.L = &ln.mu
	return ln
}

// DialContext connects, without waiting for Accept. The network and the address are
// ignored. The error is a *net.OpError: the context's, or syscall.ECONNREFUSED when
// the listener is closed.
func (ln *Listener) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	err := ctx.Err()
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if err == nil && ln.closed {
		err = syscall.ECONNREFUSED
	}
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: ln.addr.Network(), Addr: ln.addr, Err: err}
	}
	ln.dials++
	client, server := Pipe(Addr("client:"+strconv.Itoa(ln.dials)), ln.addr)
	ln.backlog = append(ln.backlog, server)
	ln.changed.Signal()
	return client, nil
}

// Accept implements net.Listener.
func (ln *Listener) Accept() (net.Conn, error) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	for !ln.closed {
		if len(ln.backlog) > 0 {
			c := ln.backlog[0]
			ln.backlog = ln.backlog[1:]
			return c, nil
		}
		ln.changed.Wait()
	}
	return nil, &net.OpError{Op: "accept", Net: ln.addr.Network(), Addr: ln.addr, Err: net.ErrClosed}
}

// Close implements net.Listener. Connections that nobody has accepted are closed.
func (ln *Listener) Close() error {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	ln.closed = true
	for _, c := range ln.backlog {
		c.Close()
	}
	ln.backlog = nil
	ln.changed.Broadcast()
	return nil
}

// Addr implements net.Listener.
func (ln *Listener) Addr() net.Addr { return ln.addr }
