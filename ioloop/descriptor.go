//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package ioloop

import (
	"fmt"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// checkOpen returns EBADF for a descriptor that is not open. Poll and select
// take one without a word.
func checkOpen(fd int) error {
	err := error(unix.EBADF)
	if fd >= 0 && fd <= math.MaxInt32 { // the system would cut off the rest
		_, err = unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	}
	return os.NewSyscallError("fcntl", err)
}

// refusal is the error of a call that began to wait for an open descriptor. The
// numbers are those by which the systems say that there is nothing to wait for.
func refusal(call string, err error) error {
	failed := os.NewSyscallError(call, err)
	switch err {
	case unix.EPERM, unix.EINVAL, unix.ELOOP, unix.ENODEV, unix.EOPNOTSUPP:
		return fmt.Errorf("%w: %w", ErrUnsupported, failed)
	}
	return failed
}
