package ioloop

import (
	"errors"
	"time"

	"github.com/haypile/haypile/internal/stream"
)

// readSize bounds what one event reads: the rest is reported again, when the
// others have had their turn.
const readSize = 64 << 10

// transport is a connection on the loop.
type transport struct {
	stream.Transport
	loop  *Loop
	fd    int
	timer Timeout
}

// transportTask is what the loop's queue can ask of a transport.
type transportTask uint8

const (
	taskAttach transportTask = iota
	taskWake
)

func (t *transport) do(what transportTask) {
	switch what {
	case taskAttach:
		l := t.loop
		l.transports[t] = struct{}{}
		t.Open(l.register(t.fd, &handler{t: t}, Read))
	case taskWake:
		t.Woken()
	}
}

// ready is told by the poller.
func (t *transport) ready(events Events) {
	if events&Write != 0 {
		t.Writable()
	}
	if events&Read != 0 {
		l := t.loop
		if l.buffer == nil {
			l.buffer = make([]byte, readSize)
		}
		t.Read(l.buffer)
	}
}

// Watch implements stream.Engine.
func (t *transport) Watch(read, write bool) error {
	events := Events(0)
	if read {
		events |= Read
	}
	if write {
		events |= Write
	}
	if err := t.loop.UpdateHandler(t.fd, events); !errors.Is(err, ErrNotHandled) {
		return err
	}
	return nil // the registration failed, which Open is told
}

// Arm implements stream.Engine.
func (t *transport) Arm(at time.Time) {
	l := t.loop
	l.timers.remove(&t.timer)
	if !at.IsZero() {
		t.timer.at, t.timer.t = at, t
		l.timers.add(&t.timer)
	}
}

// Rouse implements stream.Engine. A loop that is closed has no use for it.
func (t *transport) Rouse() { _ = t.loop.add(task{t: t, what: taskWake}) }

// Release implements stream.Engine.
func (t *transport) Release() {
	l := t.loop
	delete(l.transports, t)
	if err := l.RemoveHandler(t.fd); err != nil && !errors.Is(err, ErrNotHandled) {
		l.report(err)
	}
	stream.CloseDescriptor(t.fd)
	l.timers.remove(&t.timer)
}
