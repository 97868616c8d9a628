//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package evio

import (
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/internal/instant"
	"github.com/haypile/haypile/internal/stream"
	"github.com/haypile/haypile/ioloop"
)

// transport is a connection on the loop of an engine, and touched there alone.
type transport struct {
	stream.Transport
	stream.Ends
	engine *engine
	wanted ioloop.Events // of the watcher
	watch  *watch        // relayed: of everything; grafted: of output that is stuck
	seat   seat          // grafted: with evio
	taken  bool          // evio has closed the descriptor
}

func newTransport(e *engine, fd int, conn net.Conn, h adapters.Handler) *transport {
	t := &transport{Ends: stream.NewEnds(conn.LocalAddr(), conn.RemoteAddr()), engine: e}
	t.Init(t, fd, h)
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
		t.watch = newWatch(t, t.Descriptor())
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
		fd, err := unix.FcntlInt(uintptr(t.Descriptor()), unix.F_DUPFD_CLOEXEC, 0)
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
func (t *transport) Arm(at instant.Instant) { t.engine.clock.Set(&t.Transport, at) }

// Report implements stream.Engine.
func (t *transport) Report(err error) { t.engine.loop.report(err) }

// Rouse implements stream.Engine. An engine that has ended has no use for it.
func (t *transport) Rouse() { t.engine.tasks.Add((*wake)(t)) }

// Release implements stream.Engine.
func (t *transport) Release() {
	e := t.engine
	delete(e.transports, t)
	e.count.Add(-1)
	e.clock.Set(&t.Transport, 0)
	relayed := t.watch != nil && t.watch.fd == t.Descriptor()
	t.endWatch() // which closes its descriptor
	if relayed || t.taken {
		return
	}
	if t.seat.taken && !e.dead {
		e.graft.remove(t)
	}
	stream.CloseDescriptor(t.Descriptor())
}
