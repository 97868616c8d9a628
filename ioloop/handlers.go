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
// owner's, who removes the handler before closing it. Of one that is closed
// first, poll and select tell fn an Error, once, and rest the handler; epoll and
// kqueue forget it and tell nothing. On the loop, or before Start. Errors:
// ErrHandled; ErrUnsupported for a descriptor that the poller cannot wait for;
// syscall.EBADF for one that is not open; or what else the poller says.
func (l *Loop) AddHandler(fd int, events Events, fn func(fd int, events Events)) error {
	return l.register(fd, &handler{fn: fn}, events&(Read|Write))
}

func (l *Loop) register(fd int, h *handler, events Events) error {
	if l.handler(fd) != nil {
		return fmt.Errorf("%w: %d", ErrHandled, fd)
	}
	l.gen++
	h.gen = l.gen
	if err := l.ask(fd, h, events); err != nil {
		return err
	}
	if more := fd + 1 - len(l.handlers); more > 0 {
		l.handlers = append(l.handlers, make([]*handler, more)...)
	}
	l.handlers[fd] = h
	return nil
}

// handler is that of a descriptor, nil if there is none.
func (l *Loop) handler(fd int) *handler {
	if fd < 0 || fd >= len(l.handlers) {
		return nil
	}
	return l.handlers[fd]
}

// ask makes events those that the poller waits for. The poller need not notice
// that a descriptor is not open.
func (l *Loop) ask(fd int, h *handler, events Events) error {
	var err error
	if h.events == 0 {
		err = checkOpen(fd)
	}
	if err == nil && events != h.events {
		err = l.poller.set(fd, h.gen, h.events, events)
	}
	if err != nil {
		return fmt.Errorf("amqp: ioloop: descriptor %d: %w", fd, err)
	}
	h.events = events
	return nil
}

// UpdateHandler changes the events of fd's handler; 0 rests it. On the loop, or
// before Start. Errors: ErrNotHandled, or as AddHandler.
func (l *Loop) UpdateHandler(fd int, events Events) error {
	h := l.handler(fd)
	if h == nil {
		return fmt.Errorf("%w: %d", ErrNotHandled, fd)
	}
	events &= Read | Write
	if events == h.events {
		return nil
	}
	return l.ask(fd, h, events)
}

// RemoveHandler ends the calls for fd: none comes any more, not even for an event
// of the current pass. On the loop, or before Start. Errors: ErrNotHandled, or
// what the poller says of a descriptor that was closed first; the handler has
// ended then, too.
func (l *Loop) RemoveHandler(fd int) error {
	h := l.handler(fd)
	if h == nil {
		return fmt.Errorf("%w: %d", ErrNotHandled, fd)
	}
	return l.unregister(fd, h)
}

// unregister ends a handler, if it is registered.
func (l *Loop) unregister(fd int, h *handler) error {
	if l.handler(fd) != h {
		return nil
	}
	l.handlers[fd] = nil
	if h.events == 0 {
		return nil
	}
	return l.ask(fd, h, 0)
}

// dispatch calls the handler that an event is for, if it is still there, and
// rests that of a descriptor that is not.
func (l *Loop) dispatch(ev event) {
	h := l.handler(ev.fd)
	if h == nil || h.gen != ev.gen {
		return
	}
	wanted := ev.events & (h.events | Error)
	if ev.gone && h.events != 0 {
		if err := l.ask(ev.fd, h, 0); err != nil {
			l.report(err)
		}
	}
	switch {
	case wanted == 0:
	case h.t != nil:
		h.t.ready(wanted)
	default:
		l.guard(func() { h.fn(ev.fd, wanted) })
	}
}
