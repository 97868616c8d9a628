package stdnet

import (
	"errors"
	"net"
	"sync"

	"github.com/haypile/haypile/adapters"
)

// Loop is an adapters.Loop on Go's net package. Make one with New; any number
// of connections may share it. It holds nothing while no connection is attached.
type Loop struct {
	mu         sync.Mutex
	closed     bool
	transports map[*transport]struct{}
	wg         sync.WaitGroup // transports and the goroutines that serve them
	done       chan struct{}
}

var _ adapters.Loop = (*Loop)(nil)

// New returns a Loop. Close it when it is no longer used.
func New() *Loop {
	return &Loop{transports: make(map[*transport]struct{}), done: make(chan struct{})}
}

// Attach implements adapters.Loop. It takes any net.Conn; for those of types
// *net.TCPConn and *net.UnixConn, idle connections hold no read buffer.
func (l *Loop) Attach(conn net.Conn, h adapters.Handler) error {
	if conn == nil {
		return errors.New("amqp: Attach of a nil connection")
	}
	if h == nil {
		conn.Close()
		return errors.New("amqp: Attach with a nil handler")
	}
	t := newTransport(l, conn, h)
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		conn.Close()
		return adapters.ErrClosed
	}
	l.transports[t] = struct{}{}
	l.wg.Add(1)
	l.mu.Unlock()
	go t.run()
	return nil
}

// Close implements adapters.Loop. It always returns nil.
func (l *Loop) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	for t := range l.transports {
		t.Abort()
	}
	go func() {
		l.wg.Wait()
		close(l.done)
	}()
	return nil
}

// Done implements adapters.Loop.
func (l *Loop) Done() <-chan struct{} { return l.done }

func (l *Loop) forget(t *transport) {
	l.mu.Lock()
	delete(l.transports, t)
	l.mu.Unlock()
	l.wg.Done()
}
