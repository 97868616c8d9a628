//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package ioloop

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// pollPoller is poll(2). The waker is the first descriptor.
type pollPoller struct {
	waker waker
	fds   []unix.PollFd
	gens  []uint32
	index map[int]int // of each descriptor in fds
}

func newPollPoller() (poller, error) {
	w, err := newWaker()
	if err != nil {
		return nil, err
	}
	return &pollPoller{
		waker: w, fds: []unix.PollFd{{Fd: int32(w.r), Events: unix.POLLIN}}, gens: []uint32{0}, index: map[int]int{},
	}, nil
}

func (p *pollPoller) set(fd int, gen uint32, was, events Events) error {
	i, there := p.index[fd]
	switch {
	case events == 0 && there:
		p.remove(i)
		return nil
	case events == 0:
		return nil
	case !there:
		i = len(p.fds)
		p.index[fd] = i
		p.fds, p.gens = append(p.fds, unix.PollFd{Fd: int32(fd)}), append(p.gens, 0)
	}
	p.gens[i], p.fds[i].Events = gen, 0
	if events&Read != 0 {
		p.fds[i].Events |= unix.POLLIN
	}
	if events&Write != 0 {
		p.fds[i].Events |= unix.POLLOUT
	}
	return nil
}

// remove puts the last descriptor into the place.
func (p *pollPoller) remove(i int) {
	last := len(p.fds) - 1
	delete(p.index, int(p.fds[i].Fd))
	if i != last {
		p.fds[i], p.gens[i] = p.fds[last], p.gens[last]
		p.index[int(p.fds[i].Fd)] = i
	}
	p.fds, p.gens = p.fds[:last], p.gens[:last]
}

func (p *pollPoller) wait(dst []event, until time.Time, awake func() bool) ([]event, error) {
	timeout := millis(until)
	if awake() {
		timeout = 0
	}
	n, err := unix.Poll(p.fds, timeout)
	if err != nil && err != unix.EINTR {
		return dst, os.NewSyscallError("poll", err)
	}
	if n <= 0 {
		return dst, nil
	}
	if p.fds[0].Revents != 0 {
		p.waker.clear()
	}
	for i := 1; i < len(p.fds); i++ {
		if bits := p.fds[i].Revents; bits != 0 {
			dst = append(dst, event{
				fd: int(p.fds[i].Fd), gen: p.gens[i], events: pollEvents(bits), gone: bits&unix.POLLNVAL != 0,
			})
		}
	}
	return dst, nil
}

func pollEvents(bits int16) (e Events) {
	const failed = unix.POLLHUP | unix.POLLERR | unix.POLLNVAL
	if bits&(unix.POLLIN|failed) != 0 {
		e |= Read
	}
	if bits&(unix.POLLOUT|failed) != 0 {
		e |= Write
	}
	if bits&failed != 0 {
		e |= Error
	}
	return e
}

func (p *pollPoller) wake() { p.waker.wake() }

func (p *pollPoller) close() error {
	p.waker.close()
	return nil
}
