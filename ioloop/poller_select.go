//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package ioloop

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// selectPoller is select(2).
type selectPoller struct {
	waker waker
	fds   map[int]selected
	most  int // the highest descriptor, or higher
}

type selected struct {
	gen    uint32
	events Events
}

func newSelectPoller() (poller, error) {
	w, err := newWaker()
	if err == nil && w.r >= unix.FD_SETSIZE {
		w.close()
		err = tooHigh(w.r)
	}
	if err != nil {
		return nil, err
	}
	return &selectPoller{waker: w, fds: map[int]selected{}, most: w.r}, nil
}

func tooHigh(fd int) error {
	return fmt.Errorf("%w: descriptor %d, select takes those below %d", ErrUnsupported, fd, unix.FD_SETSIZE)
}

func (p *selectPoller) set(fd int, gen uint32, was, events Events) error {
	switch {
	case events == 0:
		delete(p.fds, fd)
	case fd >= unix.FD_SETSIZE:
		return tooHigh(fd)
	default:
		p.fds[fd] = selected{gen, events}
		p.most = max(p.most, fd)
	}
	return nil
}

func (p *selectPoller) wait(dst []event, until time.Time, awake func() bool) ([]event, error) {
	var read, write unix.FdSet
	read.Set(p.waker.r)
	for fd, s := range p.fds {
		if s.events&Read != 0 {
			read.Set(fd)
		}
		if s.events&Write != 0 {
			write.Set(fd)
		}
	}
	n, err := unix.Select(p.most+1, &read, &write, nil, timeval(until, awake()))
	if err == unix.EBADF && checkOpen(p.waker.r) == nil {
		return p.gone(dst), nil
	}
	if err != nil && err != unix.EINTR {
		return dst, os.NewSyscallError("select", err)
	}
	if n <= 0 {
		return dst, nil
	}
	if read.IsSet(p.waker.r) {
		p.waker.clear()
	}
	for fd, s := range p.fds {
		e := Events(0)
		if s.events&Read != 0 && read.IsSet(fd) {
			e |= Read
		}
		if s.events&Write != 0 && write.IsSet(fd) {
			e |= Write
		}
		if e != 0 {
			dst = append(dst, event{fd: fd, gen: s.gen, events: e})
		}
	}
	return dst, nil
}

// gone appends the descriptors that are not open any more: select tells only
// that there is one.
func (p *selectPoller) gone(dst []event) []event {
	for fd, s := range p.fds {
		if checkOpen(fd) != nil {
			dst = append(dst, event{fd: fd, gen: s.gen, events: s.events | Error, gone: true})
		}
	}
	return dst
}

func timeval(until time.Time, awake bool) *unix.Timeval {
	wait := millis(until)
	if awake {
		wait = 0
	}
	if wait < 0 {
		return nil
	}
	tv := unix.NsecToTimeval(int64(wait) * int64(time.Millisecond))
	return &tv
}

func (p *selectPoller) wake() { p.waker.wake() }

func (p *selectPoller) close() error {
	p.waker.close()
	return nil
}
