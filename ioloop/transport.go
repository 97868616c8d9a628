package ioloop

import (
	"github.com/haypile/haypile/internal/instant"
	"github.com/haypile/haypile/internal/stream"
)

// readSize bounds what one event reads: the rest is reported again, when the
// others have had their turn.
const readSize = 256 << 10

// transport is a connection on the loop.
type transport struct {
	stream.Transport
	stream.Ends
	handler // whose t is the transport
	loop    *Loop
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
		t.Open(t.loop.register(t.Descriptor(), &t.handler, Read))
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
	if l, fd := t.loop, t.Descriptor(); events != t.events && l.handler(fd) == &t.handler {
		return l.ask(fd, &t.handler, events)
	}
	return nil // also when the registration failed, which Open is told
}

// Arm implements stream.Engine.
func (t *transport) Arm(at instant.Instant) { t.loop.alarms.Set(&t.Transport, at) }

// Report implements stream.Engine.
func (t *transport) Report(err error) { t.loop.report(err) }

// Rouse implements stream.Engine. A loop that is closed has no use for it.
func (t *transport) Rouse() { _ = t.loop.add(task{t: t, what: taskWake}) }

// Release implements stream.Engine.
func (t *transport) Release() {
	l := t.loop
	if err := l.unregister(t.Descriptor(), &t.handler); err != nil {
		l.report(err)
	}
	stream.CloseDescriptor(t.Descriptor())
	l.alarms.Set(&t.Transport, 0)
}
