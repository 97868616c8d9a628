package ioloop

import "fmt"

// handler is a registered file descriptor.
type handler struct {
	gen    uint32 // tells it from earlier ones of the same descriptor
	events Events
	fn     func(fd int, events Events)
	t      *transport // instead of fn
}

// AddHandler calls fn on the loop whenever fd is ready for one of the events
// (Read, Write or both; an Error is reported with both). It is level-triggered:
// what fn does not read is reported again. fd should not block. It stays its
// owner's, who removes the handler before closing it. On the loop, or before
// Start. Errors: ErrHandled, ErrUnsupported, or what the poller says, for
// instance of a descriptor that cannot be waited for.
func (l *Loop) AddHandler(fd int, events Events, fn func(fd int, events Events)) error {
	return l.register(fd, &handler{events: events & (Read | Write), fn: fn})
}

func (l *Loop) register(fd int, h *handler) error {
	if l.handlers[fd] != nil {
		return fmt.Errorf("%w: %d", ErrHandled, fd)
	}
	l.gen++
	h.gen = l.gen
	if err := l.poller.set(fd, h.gen, 0, h.events); err != nil {
		return fmt.Errorf("amqp: ioloop: descriptor %d: %w", fd, err)
	}
	l.handlers[fd] = h
	return nil
}

// UpdateHandler changes the events of fd's handler; 0 rests it. On the loop, or
// before Start. Errors: ErrNotHandled, or what the poller says.
func (l *Loop) UpdateHandler(fd int, events Events) error {
	h := l.handlers[fd]
	if h == nil {
		return fmt.Errorf("%w: %d", ErrNotHandled, fd)
	}
	events &= Read | Write
	if events == h.events {
		return nil
	}
	if err := l.poller.set(fd, h.gen, h.events, events); err != nil {
		return fmt.Errorf("amqp: ioloop: descriptor %d: %w", fd, err)
	}
	h.events = events
	return nil
}

// RemoveHandler ends the calls for fd: none comes any more, not even for an event
// of the current pass. On the loop, or before Start. ErrNotHandled.
func (l *Loop) RemoveHandler(fd int) error {
	h := l.handlers[fd]
	if h == nil {
		return fmt.Errorf("%w: %d", ErrNotHandled, fd)
	}
	delete(l.handlers, fd)
	if err := l.poller.set(fd, h.gen, h.events, 0); err != nil {
		return fmt.Errorf("amqp: ioloop: descriptor %d: %w", fd, err)
	}
	return nil
}

// dispatch calls the handler that an event is for, if it is still there.
func (l *Loop) dispatch(ev event) {
	h := l.handlers[ev.fd]
	if h == nil || h.gen != ev.gen {
		return
	}
	wanted := ev.events & (h.events | Error)
	switch {
	case wanted == 0:
	case h.t != nil:
		h.t.ready(wanted)
	default:
		l.guard(func() { h.fn(ev.fd, wanted) })
	}
}
