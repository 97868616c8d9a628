//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package gnet

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/haypile/haypile/ioloop"
)

// writeWatch waits until a socket takes output again, since gnet tells nobody.
// It has a descriptor of its own, so that a number that is used again for another
// connection is never mistaken.
type writeWatch struct {
	t     *transport
	fd    int
	ended bool // of the watcher's goroutine: fd is closed
}

// retryWrite is when output is tried again that cannot be waited for.
const retryWrite = 10 * time.Millisecond

// awaitWritable begins to watch.
func (t *transport) awaitWritable() *writeWatch {
	w := &writeWatch{t: t}
	fd, err := unix.FcntlInt(uintptr(t.conn.Fd()), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		w.fd = fd
		if err = t.loop.watcher.AddCallbackThreadsafe(w.begin); err != nil {
			unix.Close(fd)
		}
	}
	if err != nil { // no descriptors are left
		time.AfterFunc(retryWrite, w.tell)
		w.ended = true
	}
	return w
}

// begin runs on the watcher.
func (w *writeWatch) begin() {
	if w.ended {
		return
	}
	if err := w.t.loop.watcher.AddHandler(w.fd, ioloop.Write, func(int, ioloop.Events) { w.ready() }); err != nil {
		w.close()
		time.AfterFunc(retryWrite, w.tell)
	}
}

func (w *writeWatch) ready() {
	w.close()
	w.tell()
}

// close runs on the watcher.
func (w *writeWatch) close() {
	if w.ended {
		return
	}
	w.ended = true
	_ = w.t.loop.watcher.RemoveHandler(w.fd) // it may never have been added
	unix.Close(w.fd)
}

// end ends the watch because the transport ends.
func (w *writeWatch) end() {
	if err := w.t.loop.watcher.AddCallbackThreadsafe(w.close); err != nil {
		w.t.loop.report(err)
	}
}

// tell goes back to gnet's loop.
func (w *writeWatch) tell() { w.t.runner.tasks.Add(w) }

// Run implements stream.Task.
func (w *writeWatch) Run() {
	if w.t.writing == w {
		w.t.writing = nil
		w.t.Writable()
	}
}
