//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package gnet

import (
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/internal/instant"
	"github.com/haypile/haypile/internal/stream"
)

// transport is a connection on a loop of gnet. What belongs to no other goroutine
// is touched on that loop alone.
type transport struct {
	stream.Transport
	loop          *Loop
	local, remote net.Addr  // as gnet has them, too
	conn          gnet.Conn // nil if gnet did not take it
	runner        *runner   // of its event loop
	reader        reader
	writing       *writeWatch // while the socket takes no output
	inside        bool        // gnet is calling and will close if told to
	leaving       bool        // gnet closes the connection
}

// prepare makes a transport of a connection.
func (l *Loop) prepare(conn net.Conn, h adapters.Handler) (*transport, error) {
	if h == nil {
		return nil, errors.New("amqp: Attach with a nil handler")
	}
	t := &transport{loop: l}
	local, remote := conn.LocalAddr(), conn.RemoteAddr()
	if local == nil || remote == nil {
		return nil, fmt.Errorf("amqp: Attach of a connection without addresses: %w", net.ErrClosed)
	}
	switch conn.(type) {
	case *net.TCPConn:
		// gnet puts the memory of a zone's name, which all connections share, among
		// its buffers when a connection ends. It needs no zone.
		local, remote = withoutZone(local), withoutZone(remote)
	case *net.UnixConn:
		// gnet writes another name into the local address.
		if a, ok := local.(*net.UnixAddr); ok {
			c := *a
			local = &c
		}
	default:
		return nil, fmt.Errorf("%w: %T", adapters.ErrNotPollable, conn)
	}
	t.local, t.remote = local, remote
	t.Init(t, -1, h)
	return t, nil
}

// withoutZone takes the zone from a connection's address and returns a copy that
// has it.
func withoutZone(addr net.Addr) net.Addr {
	a, ok := addr.(*net.TCPAddr)
	if !ok || a.Zone == "" {
		return addr
	}
	c := *a
	a.Zone = ""
	return &c
}

// enroll brings the connection into gnet, which waits for its loop. When it
// fails, gnet may tell so by an error, or by not calling OnOpen.
func (t *transport) enroll(conn net.Conn) {
	_, err := t.loop.client.EnrollContext(conn, t)
	if t.conn != nil {
		return
	}
	if err == nil {
		err = errors.New("amqp: gnet did not take the connection")
	}
	t.Open(err)
}

// opened is told by gnet.
func (t *transport) opened(c gnet.Conn) {
	t.conn, t.runner = c, t.loop.runnerOf(c.EventLoop())
	t.SetDescriptor(c.Fd())
	t.reader = reader{poller: -1}
	if !t.loop.blind {
		t.reader = newReader(c)
	}
	t.Open(nil)
}

// run runs f, which gnet called for, and tells gnet to close if that is what came
// of it.
func (t *transport) run(f func()) gnet.Action {
	t.inside = true
	f()
	t.inside = false
	if t.leaving {
		return gnet.Close
	}
	return gnet.None
}

// lost is told by gnet when it closes the connection, of itself or because it was
// told to. It calls a reset that it did not read an end.
func (t *transport) lost(err error) {
	if errors.Is(err, io.EOF) {
		err = nil
		if pending, e := unix.GetsockoptInt(t.conn.Fd(), unix.SOL_SOCKET, unix.SO_ERROR); e == nil && pending != 0 {
			err = unix.Errno(pending)
		}
	}
	if err == nil && t.loop.isStopped() {
		t.Abandon()
		return
	}
	t.Lost(err)
}

func (l *Loop) isStopped() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.stopped
}

// Watch implements stream.Engine.
func (t *transport) Watch(read, write bool) error {
	if t.conn == nil {
		return nil
	}
	if write && t.writing == nil {
		t.writing = t.awaitWritable()
	}
	return t.setReading(read)
}

// Arm implements stream.Engine.
func (t *transport) Arm(at instant.Instant) {
	if t.runner != nil {
		t.runner.clock.Set(&t.Transport, at)
	}
}

// Local implements stream.Engine.
func (t *transport) Local() net.Addr { return t.local }

// Remote implements stream.Engine.
func (t *transport) Remote() net.Addr { return t.remote }

// Report implements stream.Engine.
func (t *transport) Report(err error) { t.loop.report(err) }

// Rouse implements stream.Engine.
func (t *transport) Rouse() {
	if t.runner != nil {
		t.runner.tasks.Add((*wake)(t))
	}
}

// Release implements stream.Engine.
func (t *transport) Release() {
	if t.conn == nil {
		return
	}
	t.runner.clock.Set(&t.Transport, 0)
	if t.writing != nil {
		t.writing.end()
	}
	if t.leaving {
		return
	}
	t.leaving = true
	if t.inside {
		return // gnet is told when it is given back control
	}
	if err := t.runner.on.Close(t.conn); err != nil && !t.reader.paused {
		t.loop.report(fmt.Errorf("amqp: gnet: %w", err))
	}
}

// wake and delivery are tasks of a transport.
type (
	wake     transport
	delivery transport
)

// Run implements stream.Task.
func (w *wake) Run() { w.Woken() }

// Run passes on what came while reading was to be stopped.
func (d *delivery) Run() {
	if p := d.reader.held; !d.reader.paused && len(p) > 0 {
		d.reader.held = nil
		d.Input(p)
	}
}
