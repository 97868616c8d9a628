//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package evio

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/haypile/haypile/ioloop"
)

// watch has the loop's watcher look at a socket and tells the transport, on evio's
// loop, when it is ready. Each event is told once for each time that it is asked
// for. It owns its descriptor, which only the watcher's goroutine closes: a number
// that is used again is never mistaken.
type watch struct {
	t      *transport
	fd     int           // none: there was none left, and time passes instead
	asked  ioloop.Events // and not told yet; of evio's loop
	asking atomic.Uint32 // and not seen by the watcher yet
	told   atomic.Uint32 // and not seen by evio's loop yet
	look   func()        // begin, made once

	// of the watcher's goroutine
	events ioloop.Events // that are waited for
	added  bool
	ended  bool
}

const (
	none  = -1
	retry = 10 * time.Millisecond // when a socket is tried that cannot be waited for
)

func newWatch(t *transport, fd int) *watch {
	w := &watch{t: t, fd: fd}
	w.look = w.begin
	return w
}

// ask wants to be told of events, on evio's loop.
func (w *watch) ask(events ioloop.Events) {
	more := events &^ w.asked
	if more == 0 {
		return
	}
	w.asked |= more
	if w.fd == none {
		time.AfterFunc(retry, func() { w.tell(more) })
		return
	}
	if w.asking.Or(uint32(more)) == 0 {
		w.post(w.look)
	}
}

// end ends the watch and closes its descriptor, on evio's loop.
func (w *watch) end() {
	if w.fd != none {
		w.post(w.close)
	}
}

// post runs f on the watcher, which outlives all transports.
func (w *watch) post(f func()) {
	if err := w.t.engine.loop.watcher.AddCallbackThreadsafe(f); err != nil {
		w.t.engine.loop.report(err)
	}
}

// begin runs on the watcher.
func (w *watch) begin() {
	more := ioloop.Events(w.asking.Swap(0))
	if w.ended {
		return
	}
	var err error
	if watcher := w.t.engine.loop.watcher; w.added {
		err = watcher.UpdateHandler(w.fd, w.events|more)
	} else {
		err = watcher.AddHandler(w.fd, more, w.ready)
	}
	if err != nil {
		time.AfterFunc(retry, func() { w.tell(more) })
		return
	}
	w.added = true
	w.events |= more
}

// ready runs on the watcher.
func (w *watch) ready(_ int, events ioloop.Events) {
	now := w.events & events
	w.events &^= now
	if err := w.t.engine.loop.watcher.UpdateHandler(w.fd, w.events); err != nil {
		w.t.engine.loop.report(err)
	}
	w.tell(now)
}

// close runs on the watcher.
func (w *watch) close() {
	w.ended = true
	if w.added {
		if err := w.t.engine.loop.watcher.RemoveHandler(w.fd); err != nil {
			w.t.engine.loop.report(err)
		}
	}
	unix.Close(w.fd)
}

// tell goes over to evio's loop.
func (w *watch) tell(events ioloop.Events) {
	if w.told.Or(uint32(events)) == 0 {
		w.t.engine.tasks.Add(w)
	}
}

// Run is on evio's loop.
func (w *watch) Run() {
	t, events := w.t, ioloop.Events(w.told.Swap(0))
	w.asked &^= events
	if events&ioloop.Write != 0 && t.watch == w {
		t.Writable()
	}
	if events&ioloop.Read != 0 && t.watch == w && t.wanted&ioloop.Read != 0 {
		t.Read(t.engine.inputBuffer())
	}
	if t.watch == w {
		w.ask(t.wanted) // input that nobody wants any more is read without a call
	}
}

// inputBuffer is what relayed transports read into, as much as evio reads at once.
func (e *engine) inputBuffer() []byte {
	if e.buffer == nil {
		e.buffer = make([]byte, 0xFFFF)
	}
	return e.buffer
}
