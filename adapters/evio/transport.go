//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package evio

import (
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/internal/stream"
	"github.com/haypile/haypile/ioloop"
)

// transport is a connection on the loop of an engine, and touched there alone.
type transport struct {
	stream.Transport
	engine *engine
	fd     int
	timer  *time.Timer
	wanted ioloop.Events // of the watcher
	watch  *watch        // relayed: of everything; grafted: of output that is stuck
	seat   seat          // grafted: with evio
	taken  bool          // evio has closed the descriptor
}

func newTransport(e *engine, fd int, conn net.Conn, h adapters.Handler) *transport {
	t := &transport{engine: e, fd: fd}
	t.Init(t, fd, conn.LocalAddr(), conn.RemoteAddr(), h, e.loop.report)
	return t
}

// takeDescriptor is a second descriptor of the connection, and not 0: to evio
// that means something else.
func takeDescriptor(conn net.Conn) (int, error) {
	fd, err := stream.TakeDescriptor(conn)
	if err != nil || fd != 0 {
		return fd, err
	}
	fd, err = unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 1)
	stream.CloseDescriptor(0)
	return fd, os.NewSyscallError("fcntl", err)
}

// Watch implements stream.Engine.
func (t *transport) Watch(read, write bool) error {
	e := t.engine
	if e.dead {
		return adapters.ErrClosed
	}
	if e.graft == nil {
		t.watchAll(read, write)
		return nil
	}
	t.watchOutput(write)
	if read == t.seat.taken {
		return nil
	}
	if !read {
		e.graft.remove(t)
		return nil
	}
	return e.graft.add(t)
}

// watchAll is for transports that are relayed.
func (t *transport) watchAll(read, write bool) {
	t.wanted = 0
	if read {
		t.wanted |= ioloop.Read
	}
	if write {
		t.wanted |= ioloop.Write
	}
	if t.watch == nil {
		t.watch = newWatch(t, t.fd)
	}
	t.watch.ask(t.wanted)
}

// watchOutput is for transports that are grafted. The watch has a descriptor of
// its own, since evio may close the transport's at any time.
func (t *transport) watchOutput(write bool) {
	switch {
	case !write:
		t.wanted = 0
		t.endWatch()
	case t.watch == nil:
		fd, err := unix.FcntlInt(uintptr(t.fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			fd = none
		}
		t.watch = newWatch(t, fd)
		fallthrough
	default:
		t.wanted = ioloop.Write
		t.watch.ask(t.wanted)
	}
}

func (t *transport) endWatch() {
	if t.watch != nil {
		t.watch.end()
		t.watch = nil
	}
}

// Arm implements stream.Engine.
func (t *transport) Arm(at time.Time) {
	switch {
	case at.IsZero():
		t.timer.Stop()
	case t.timer == nil:
		t.timer = time.AfterFunc(time.Until(at), func() { t.engine.add((*expiry)(t)) })
	default:
		t.timer.Reset(time.Until(at))
	}
}

// Rouse implements stream.Engine. An engine that has ended has no use for it.
func (t *transport) Rouse() { t.engine.add((*wake)(t)) }

// Release implements stream.Engine.
func (t *transport) Release() {
	e := t.engine
	delete(e.transports, t)
	e.count.Add(-1)
	if t.timer != nil {
		t.timer.Stop()
	}
	relayed := t.watch != nil && t.watch.fd == t.fd
	t.endWatch() // which closes its descriptor
	if relayed || t.taken {
		return
	}
	if t.seat.taken && !e.dead {
		e.graft.remove(t)
	}
	stream.CloseDescriptor(t.fd)
}
