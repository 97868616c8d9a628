//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package stream

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/internal/descriptor"
)

// TakeDescriptor is a second descriptor of the connection's socket, which Go's
// network poller knows nothing of.
func TakeDescriptor(conn net.Conn) (int, error) {
	var raw syscall.RawConn
	var err error
	switch c := conn.(type) {
	case *net.TCPConn:
		raw, err = c.SyscallConn()
	case *net.UnixConn:
		raw, err = c.SyscallConn()
	default:
		return 0, fmt.Errorf("%w: %T", adapters.ErrNotPollable, conn)
	}
	if err != nil {
		return 0, err
	}
	fd, dupErr := 0, error(nil)
	err = raw.Control(func(original uintptr) {
		fd, dupErr = unix.FcntlInt(original, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err != nil {
		return 0, err
	}
	return fd, os.NewSyscallError("fcntl", dupErr)
}

// Pollable tells whether TakeDescriptor takes the connection. A type that embeds
// one of these would be bypassed.
func Pollable(conn net.Conn) bool {
	switch conn.(type) {
	case *net.TCPConn, *net.UnixConn:
		return true
	}
	return false
}

// CloseDescriptor closes one that TakeDescriptor made.
func CloseDescriptor(fd int) { unix.Close(fd) }

var errWouldBlock = errors.New("amqp: would block")

// readSocket reads what there is: 0 and no error is the end; errWouldBlock.
func readSocket(fd int, p []byte) (int, error) {
	n, err := descriptor.Read(fd, p)
	return n, dressed("read", err)
}

// writeSocket writes what the kernel takes.
func writeSocket(fd int, p []byte) (int, error) {
	n, err := descriptor.Write(fd, p)
	return n, dressed("write", err)
}

// writeVector writes of it what the kernel takes.
func writeVector(fd int, v *descriptor.Vector) (int, error) {
	n, err := v.Write(fd)
	return n, dressed("write", err)
}

// dressed is a system call's error as package os has it, but for errWouldBlock.
func dressed(call string, err error) error {
	if err == unix.EAGAIN {
		return errWouldBlock
	}
	return os.NewSyscallError(call, err)
}

func shutdownWrite(fd int) error { return unix.Shutdown(fd, unix.SHUT_WR) }
