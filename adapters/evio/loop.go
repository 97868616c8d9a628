//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package evio

import (
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/internal/stream"
	"github.com/haypile/haypile/ioloop"
)

// Loop runs transports on event loops of evio. Its methods may be called from any
// goroutine.
type Loop struct {
	watcher *ioloop.Loop // tells when sockets are ready that evio does not watch
	report  func(error)
	done    chan struct{}
	engines []*engine

	mu     sync.RWMutex // held by those who attach
	closed bool
}

var _ adapters.Selective = (*Loop)(nil)

// ErrNotGrafted is told to the error handler when evio's private fields are not
// those of version 1.0.8. The loop works, by relaying.
var ErrNotGrafted = errors.New("amqp: evio: connections cannot be grafted, so they are relayed")

// New starts event loops; they run until Close. It needs a directory for
// temporary files, for a moment. The error is evio's or of the system, which may
// have no descriptors left.
func New(opts ...Option) (*Loop, error) {
	o := defaults()
	for _, opt := range opts {
		opt(&o)
	}
	// The watcher is first, so that evio never gets descriptor 0, which means
	// something else to it.
	watcher, err := ioloop.New(ioloop.WithErrorHandler(o.report))
	if err != nil {
		return nil, fmt.Errorf("amqp: evio: %w", err)
	}
	l := &Loop{watcher: watcher, report: o.report, done: make(chan struct{})}
	go l.watch()
	for range o.loops {
		e := newEngine(l, &o)
		if err := e.start(); err != nil {
			l.Close()
			<-l.done
			return nil, fmt.Errorf("amqp: evio: %w", err)
		}
		l.engines = append(l.engines, e)
	}
	if err := l.engines[0].notGrafted; err != nil {
		l.report(err)
	}
	return l, nil
}

// watch runs the watcher until it is closed.
func (l *Loop) watch() {
	if err := l.watcher.Start(); err != nil && !errors.Is(err, ioloop.ErrClosed) {
		l.report(err)
	}
}

// Attach implements adapters.Loop. It returns adapters.ErrNotPollable for
// everything that is not a *net.TCPConn or a *net.UnixConn.
func (l *Loop) Attach(conn net.Conn, h adapters.Handler) error {
	if conn == nil {
		return errors.New("amqp: Attach of a nil connection")
	}
	defer conn.Close() // the transport has a descriptor of its own
	if h == nil {
		return errors.New("amqp: Attach with a nil handler")
	}
	fd, err := takeDescriptor(conn)
	if err != nil {
		return err
	}
	t := newTransport(l.quietest(), fd, conn, h)
	if !l.begin(t) {
		stream.CloseDescriptor(fd)
		return adapters.ErrClosed
	}
	return nil
}

// begin gives the transport to its engine, before what Close gives it.
func (l *Loop) begin(t *transport) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return !l.closed && t.engine.tasks.Add((*arrival)(t))
}

// quietest is the engine with the fewest transports.
func (l *Loop) quietest() *engine {
	least := l.engines[0]
	for _, e := range l.engines[1:] {
		if e.count.Load() < least.count.Load() {
			least = e
		}
	}
	least.count.Add(1)
	return least
}

// Close implements adapters.Loop. It always returns nil.
func (l *Loop) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		go l.stop()
	}
	return nil
}

// stop ends the transports while their loops still run, and then the loops.
func (l *Loop) stop() {
	for _, e := range l.engines {
		e.abandon()
	}
	for _, e := range l.engines {
		e.stop()
	}
	l.watcher.Close()
	<-l.watcher.Done()
	close(l.done)
}

// Done implements adapters.Loop.
func (l *Loop) Done() <-chan struct{} { return l.done }

// Takes implements adapters.Selective.
func (l *Loop) Takes(conn net.Conn) bool { return stream.Pollable(conn) }
