package ioloop

import (
	"os"

	"golang.org/x/sys/unix"
)

// waker is a descriptor that becomes readable by wake.
type waker struct{ r, w int }

func newWaker() (waker, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	return waker{fd, fd}, os.NewSyscallError("eventfd", err)
}

func (w waker) wake() {
	one := [8]byte{0: 1} // whatever the byte order: it only has to be more than nothing
	unix.Write(w.w, one[:])
}

// clear makes it unreadable again.
func (w waker) clear() {
	var count [8]byte
	unix.Read(w.r, count[:])
}

func (w waker) close() { unix.Close(w.r) }
