//go:build !windows

package netpollloop

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"

	"github.com/cloudwego/netpoll"
	"github.com/haypile/haypile/adapters"
)

// Loop is an adapters.Loop. Make one with New; any number of connections may
// share it. The pollers below are shared by the whole process.
type Loop struct {
	mu      sync.Mutex
	closed  bool
	open    map[*transport]bool
	running sync.WaitGroup // open transports and the goroutines that serve them
	done    chan struct{}
}

var _ adapters.Selective = (*Loop)(nil)

// New returns a loop that runs until Close. The first one has netpoll start its
// pollers, which stay.
func New() *Loop {
	netpoll.Initialize()
	return &Loop{open: map[*transport]bool{}, done: make(chan struct{})}
}

// Takes implements adapters.Selective: what it does not take, the driver bridges.
// A type that wraps a socket is not one of these, and would be bypassed.
func (l *Loop) Takes(conn net.Conn) bool {
	switch conn.(type) {
	case *net.TCPConn, *net.UnixConn:
		return true
	}
	return false
}

// Attach implements adapters.Loop. It takes a *net.TCPConn or a *net.UnixConn,
// and returns adapters.ErrNotPollable for everything else.
func (l *Loop) Attach(conn net.Conn, h adapters.Handler) error {
	if conn == nil || h == nil {
		return errors.New("amqp: Attach without a connection or a handler")
	}
	defer conn.Close() // netpoll gets a descriptor of its own
	fd, err := descriptor(conn)
	if err != nil {
		return err
	}
	t := &transport{loop: l, fd: fd, local: conn.LocalAddr(), remote: conn.RemoteAddr(), h: h}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		syscall.Close(fd)
		return adapters.ErrClosed
	}
	t.turn.Lock() // until OnOpen has returned: Close of the loop is not to come before it
	l.open[t] = true
	l.running.Add(1) // until OnClose
	t.spawn(t.begin)
	return nil
}

// descriptor is a second one of the connection's socket. Go's own poller has the
// first, and closes it with conn: a number that two pollers knew would, once
// closed and reused, have one of them act on somebody else's connection.
func descriptor(conn net.Conn) (fd int, err error) {
	var raw syscall.RawConn
	switch c := conn.(type) { // no interface: a type that wraps a socket would be bypassed
	case *net.TCPConn:
		raw, err = c.SyscallConn()
	case *net.UnixConn:
		raw, err = c.SyscallConn()
	default:
		return 0, fmt.Errorf("%w: %T", adapters.ErrNotPollable, conn)
	}
	if err != nil {
		return 0, err
	}
	var dupErr error
	err = raw.Control(func(original uintptr) {
		syscall.ForkLock.RLock() // no child process is started until it is marked
		defer syscall.ForkLock.RUnlock()
		if fd, dupErr = syscall.Dup(int(original)); dupErr == nil {
			syscall.CloseOnExec(fd)
		}
	})
	return fd, errors.Join(err, dupErr)
}

// Close implements adapters.Loop. It always returns nil.
func (l *Loop) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	for t := range l.open {
		t.spawn(func() { t.do(t.Abort) }) // Close may be called in the turn of any
	}
	go func() {
		l.running.Wait()
		close(l.done)
	}()
	return nil
}

// Done implements adapters.Loop.
func (l *Loop) Done() <-chan struct{} { return l.done }

func (l *Loop) forget(t *transport) {
	l.mu.Lock()
	delete(l.open, t)
	l.mu.Unlock()
	l.running.Done()
}
