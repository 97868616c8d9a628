//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package gnet

import (
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/panjf2000/gnet/v2"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/internal/stream"
	"github.com/haypile/haypile/ioloop"
)

// Loop runs transports on event loops of gnet. Its methods may be called from any
// goroutine.
type Loop struct {
	client  *gnet.Client
	watcher *ioloop.Loop // tells when sockets take output again
	report  func(error)
	blind   bool // as if gnet's poller could not be found; for tests
	done    chan struct{}

	attaching sync.WaitGroup // connections on their way into gnet

	mu      sync.RWMutex // all below; held by those who give gnet something to run
	closed  bool         // nothing is attached any more
	stopped bool         // nothing may be run on gnet any more
	runners map[gnet.EventLoop]*runner
}

var _ adapters.Selective = (*Loop)(nil)

// New starts event loops; they run until Close. The error is gnet's or of the
// system, which may have no descriptors left.
func New(opts ...Option) (*Loop, error) {
	o := defaults()
	for _, opt := range opts {
		opt(&o)
	}
	watcher, err := ioloop.New(ioloop.WithErrorHandler(o.report))
	if err != nil {
		return nil, fmt.Errorf("amqp: gnet: %w", err)
	}
	l := &Loop{watcher: watcher, report: o.report, blind: o.blind, done: make(chan struct{}), runners: map[gnet.EventLoop]*runner{}}
	l.client, err = gnet.NewClient(&events{},
		gnet.WithLogger(o.logger),
		gnet.WithNumEventLoop(o.loops),
		gnet.WithReadBufferCap(readSize),
		gnet.WithTCPNoDelay(gnet.TCPDelay)) // package net has set it already, as its user wants it
	if err == nil {
		err = l.client.Start()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("amqp: gnet: %w", err), watcher.Close())
	}
	go l.watch()
	return l, nil
}

const readSize = 256 << 10 // bounds what one event reads

// watch runs the watcher until it is closed.
func (l *Loop) watch() {
	if err := l.watcher.Start(); err != nil && !errors.Is(err, ioloop.ErrClosed) {
		l.report(err)
	}
}

// Attach implements adapters.Loop. It returns adapters.ErrNotPollable for
// everything that is not a *net.TCPConn or a *net.UnixConn. The error of a
// connection that gnet does not take, because the process has no descriptors left
// for example, is OnClose's.
func (l *Loop) Attach(conn net.Conn, h adapters.Handler) error {
	if conn == nil {
		return errors.New("amqp: Attach of a nil connection")
	}
	t, err := l.prepare(conn, h)
	if err == nil {
		err = l.begin()
	}
	if err != nil {
		conn.Close()
		return err
	}
	go func() {
		defer l.attaching.Done()
		t.enroll(conn)
	}()
	return nil
}

// begin announces a connection to Close.
func (l *Loop) begin() error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return adapters.ErrClosed
	}
	l.attaching.Add(1)
	return nil
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

// stop ends gnet. A connection that were attached to it afterwards would wait for
// ever, and a task would be written to a descriptor that is somebody else's.
func (l *Loop) stop() {
	l.attaching.Wait()
	l.mu.Lock()
	l.stopped = true
	l.mu.Unlock()
	if err := l.client.Stop(); err != nil {
		l.report(fmt.Errorf("amqp: gnet: %w", err))
	}
	l.watcher.Close()
	<-l.watcher.Done()
	close(l.done)
}

// Done implements adapters.Loop.
func (l *Loop) Done() <-chan struct{} { return l.done }

// events is gnet's handler.
type events struct{ gnet.BuiltinEventEngine }

// OnOpen implements gnet.EventHandler.
func (*events) OnOpen(c gnet.Conn) ([]byte, gnet.Action) {
	t := c.Context().(*transport)
	return nil, t.run(func() { t.opened(c) })
}

// OnTraffic implements gnet.EventHandler.
func (*events) OnTraffic(c gnet.Conn) gnet.Action {
	t := c.Context().(*transport)
	p, err := c.Next(-1)
	if err != nil {
		return gnet.None // there was nothing
	}
	return t.run(func() { t.input(p) })
}

// OnClose implements gnet.EventHandler. The descriptor is still open.
func (*events) OnClose(c gnet.Conn, err error) gnet.Action {
	t := c.Context().(*transport)
	t.leaving = true
	t.lost(err)
	return gnet.None
}

// Takes implements adapters.Selective.
func (l *Loop) Takes(conn net.Conn) bool { return stream.Pollable(conn) }
