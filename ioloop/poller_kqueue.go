//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package ioloop

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Pollers are those that this system has, the default first.
func Pollers() []Poller { return []Poller{Kqueue, Poll, Select} }

func newPoller(kind Poller) (poller, error) {
	switch kind {
	case Kqueue:
		return newKqueue()
	case Poll:
		return newPollPoller()
	case Select:
		return newSelectPoller()
	}
	return nil, unsupported(kind)
}

// kqueue is kqueue(2). Generations are kept beside it.
type kqueue struct {
	fd    int
	waker waker
	gens  map[int]uint32
	ready [128]unix.Kevent_t
}

func newKqueue() (poller, error) {
	fd, err := unix.Kqueue()
	if err != nil {
		return nil, os.NewSyscallError("kqueue", err)
	}
	unix.CloseOnExec(fd)
	p := &kqueue{fd: fd, gens: map[int]uint32{}}
	if p.waker, err = newWaker(); err == nil {
		if err = p.set(p.waker.r, 0, 0, Read); err == nil {
			return p, nil
		}
		p.waker.close()
	}
	unix.Close(fd)
	return nil, err
}

func (p *kqueue) set(fd int, gen uint32, was, events Events) error {
	if events == 0 {
		delete(p.gens, fd)
	} else {
		p.gens[fd] = gen
	}
	for bit, filter := range map[Events]int{Read: unix.EVFILT_READ, Write: unix.EVFILT_WRITE} {
		flags := 0
		switch {
		case events&bit != 0:
			flags = unix.EV_ADD
		case was&bit != 0:
			flags = unix.EV_DELETE
		default:
			continue
		}
		var change [1]unix.Kevent_t
		unix.SetKevent(&change[0], fd, filter, flags)
		_, err := unix.Kevent(p.fd, change[:], nil, nil)
		if err != nil && !(flags == unix.EV_DELETE && err == unix.ENOENT) {
			if was == 0 { // a filter that was taken would be seen by every wait
				p.set(fd, gen, events, 0)
			}
			return refusal("kevent", err)
		}
	}
	return nil
}

func (p *kqueue) wait(dst []event, until time.Time, awake func() bool) ([]event, error) {
	wait := millis(until)
	if awake() {
		wait = 0
	}
	var timeout *unix.Timespec
	if wait >= 0 {
		ts := unix.NsecToTimespec(int64(wait) * int64(time.Millisecond))
		timeout = &ts
	}
	n, err := unix.Kevent(p.fd, nil, p.ready[:], timeout)
	if err != nil && err != unix.EINTR {
		return dst, os.NewSyscallError("kevent", err)
	}
	for _, ev := range p.ready[:max(n, 0)] {
		fd := int(ev.Ident)
		if fd == p.waker.r {
			p.waker.clear()
			continue
		}
		dst = append(dst, event{fd: fd, gen: p.gens[fd], events: kqueueEvents(&ev)})
	}
	return dst, nil
}

func kqueueEvents(ev *unix.Kevent_t) (e Events) {
	switch int(ev.Filter) {
	case unix.EVFILT_READ:
		e = Read
	case unix.EVFILT_WRITE:
		e = Write
	}
	if ev.Flags&unix.EV_EOF != 0 {
		e |= Error
	}
	return e
}

func (p *kqueue) wake() { p.waker.wake() }

func (p *kqueue) close() error {
	p.waker.close()
	return os.NewSyscallError("close", unix.Close(p.fd))
}
