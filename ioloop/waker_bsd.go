//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package ioloop

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// waker is a pipe that becomes readable by wake.
type waker struct{ r, w int }

func newWaker() (waker, error) {
	var p [2]int
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := unix.Pipe(p[:]); err != nil {
		return waker{}, os.NewSyscallError("pipe", err)
	}
	for _, fd := range p {
		unix.CloseOnExec(fd)
		unix.SetNonblock(fd, true)
	}
	return waker{p[0], p[1]}, nil
}

func (w waker) wake() { unix.Write(w.w, []byte{1}) }

// clear makes it unreadable again.
func (w waker) clear() {
	var buf [64]byte
	for {
		if n, err := unix.Read(w.r, buf[:]); n < len(buf) || err != nil {
			return
		}
	}
}

func (w waker) close() {
	unix.Close(w.r)
	unix.Close(w.w)
}
