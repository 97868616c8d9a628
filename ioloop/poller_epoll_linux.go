package ioloop

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Pollers are those that this system has, the default first.
func Pollers() []Poller { return []Poller{EpollParked, Epoll, Poll, Select} }

func newPoller(kind Poller) (poller, error) {
	switch kind {
	case EpollParked:
		return newParked()
	case Epoll:
		return newEpoll()
	case Poll:
		return newPollPoller()
	case Select:
		return newSelectPoller()
	}
	return nil, unsupported(kind)
}

// epoll is the descriptor and what one call returns.
type epoll struct {
	fd    int
	ready [128]unix.EpollEvent
}

func (e *epoll) open() error {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	e.fd = fd
	return os.NewSyscallError("epoll_create1", err)
}

func (e *epoll) set(fd int, gen uint32, was, events Events) error {
	op := unix.EPOLL_CTL_MOD
	switch {
	case was == 0:
		op = unix.EPOLL_CTL_ADD
	case events == 0:
		op = unix.EPOLL_CTL_DEL
	}
	ev := unix.EpollEvent{Fd: int32(fd), Pad: int32(gen)}
	if events&Read != 0 {
		ev.Events |= unix.EPOLLIN
	}
	if events&Write != 0 {
		ev.Events |= unix.EPOLLOUT
	}
	return refusal("epoll_ctl", unix.EpollCtl(e.fd, op, fd, &ev))
}

// collect makes one call and appends what it returns.
func (e *epoll) collect(dst []event, timeout int) ([]event, error) {
	n, err := unix.EpollWait(e.fd, e.ready[:], timeout)
	if err != nil && err != unix.EINTR {
		return dst, os.NewSyscallError("epoll_wait", err)
	}
	for _, ev := range e.ready[:max(n, 0)] {
		dst = append(dst, event{fd: int(ev.Fd), gen: uint32(ev.Pad), events: epollEvents(ev.Events)})
	}
	return dst, nil
}

func epollEvents(bits uint32) (e Events) {
	if bits&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		e |= Read
	}
	if bits&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		e |= Write
	}
	if bits&(unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		e |= Error
	}
	return e
}

// plainEpoll blocks in epoll_wait and is woken by an eventfd.
type plainEpoll struct {
	epoll
	waker waker
}

func newEpoll() (poller, error) {
	p := &plainEpoll{}
	if err := p.open(); err != nil {
		return nil, err
	}
	var err error
	if p.waker, err = newWaker(); err == nil {
		if err = p.set(p.waker.r, 0, 0, Read); err == nil {
			return p, nil
		}
		p.waker.close()
	}
	unix.Close(p.fd)
	return nil, err
}

func (p *plainEpoll) wait(dst []event, until time.Time, awake func() bool) ([]event, error) {
	timeout := millis(until)
	if awake() {
		timeout = 0
	}
	n := len(dst)
	dst, err := p.collect(dst, timeout)
	for i := n; i < len(dst); i++ {
		if dst[i].fd == p.waker.r {
			p.waker.clear()
			dst[i] = dst[len(dst)-1]
			return dst[:len(dst)-1], err
		}
	}
	return dst, err
}

func (p *plainEpoll) wake() { p.waker.wake() }

func (p *plainEpoll) close() error {
	p.waker.close()
	return os.NewSyscallError("close", unix.Close(p.fd))
}

// parked lets Go's network poller wait for the epoll descriptor, which is
// readable when it has events. The read deadline is the timer, and moving it
// into the past is the wake-up.
type parked struct {
	epoll
	file  *os.File
	raw   syscall.RawConn
	until time.Time // the deadline that is set
	moved bool      // or maybe another one
	// of the wait under way
	dst   []event
	err   error
	awake func() bool
	try   func(fd uintptr) bool // made once: a method value is an allocation
}

func newParked() (poller, error) {
	p := &parked{}
	if err := p.open(); err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(p.fd, true); err != nil { // else NewFile would not hand it to the network poller
		unix.Close(p.fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	p.file = os.NewFile(uintptr(p.fd), "epoll")
	p.try = p.tryCollect
	var err error
	if p.raw, err = p.file.SyscallConn(); err == nil {
		err = p.file.SetReadDeadline(time.Time{}) // fails where the descriptor cannot be waited for
	}
	if err != nil {
		p.file.Close()
		return nil, err
	}
	return p, nil
}

func (p *parked) wait(dst []event, until time.Time, awake func() bool) ([]event, error) {
	// The deadline is set before the last look at awake: a wake that comes
	// in between moves it again.
	if p.moved || until != p.until {
		if err := p.file.SetReadDeadline(until); err != nil {
			return dst, err
		}
		p.until, p.moved = until, false
	}
	p.dst, p.err, p.awake = dst, nil, awake
	err := p.raw.Read(p.try)
	dst, p.dst = p.dst, nil
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		p.moved = true
		if !until.IsZero() && !time.Now().Before(until) {
			return p.collect(dst, 0) // a loop that is always late would never see events
		}
		return dst, nil // woken: events are looked at by the next wait
	case err != nil:
		return dst, err
	}
	return dst, p.err
}

// tryCollect tells whether the wait is over.
func (p *parked) tryCollect(uintptr) bool {
	n := len(p.dst)
	p.dst, p.err = p.collect(p.dst, 0)
	return len(p.dst) > n || p.err != nil || p.awake()
}

var past = time.Unix(1, 0)

func (p *parked) wake() { p.file.SetReadDeadline(past) }

func (p *parked) close() error { return p.file.Close() }
