package wirefault

import (
	"net"
	"slices"
	"sync"

	"github.com/haypile/haypile/adapters"
)

// Loop is an adapters.Loop that runs transports on another, with faults. Its
// methods may be called from any goroutine.
type Loop struct {
	inner adapters.Loop

	mu        sync.Mutex
	attached  int
	conns     []*Conn
	onConnect func(c *Conn)
}

var _ adapters.Selective = (*Loop)(nil)

// New returns a Loop around inner, which is closed with it.
func New(inner adapters.Loop) *Loop { return &Loop{inner: inner} }

// OnConnect has f called with each connection that is attached from now on, before
// a byte of it moves: the place for faults from the beginning. f must not wait.
// nil ends it.
func (l *Loop) OnConnect(f func(c *Conn)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.onConnect = f
}

// Conns returns the connections that are open, in the order of their numbers.
func (l *Loop) Conns() []*Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.conns)
}

// Attach implements adapters.Loop.
func (l *Loop) Attach(conn net.Conn, h adapters.Handler) error {
	if h == nil {
		return l.inner.Attach(conn, nil) // which says what is wrong
	}
	c := &Conn{loop: l, h: h}
	c.ways[In].cut, c.ways[Out].cut = -1, -1
	return l.inner.Attach(conn, splice{c})
}

// Takes implements adapters.Selective: what the other loop takes.
func (l *Loop) Takes(conn net.Conn) bool {
	s, ok := l.inner.(adapters.Selective)
	return !ok || s.Takes(conn)
}

// Close implements adapters.Loop.
func (l *Loop) Close() error { return l.inner.Close() }

// Done implements adapters.Loop.
func (l *Loop) Done() <-chan struct{} { return l.inner.Done() }

// opened is told by a connection whose transport has begun.
func (l *Loop) opened(c *Conn) {
	l.mu.Lock()
	l.attached++
	c.number = l.attached
	l.conns = append(l.conns, c)
	f := l.onConnect
	l.mu.Unlock()
	if f != nil {
		f(c)
	}
}

// closed is told by a connection that has ended.
func (l *Loop) closed(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns = slices.DeleteFunc(l.conns, func(o *Conn) bool { return o == c })
}
