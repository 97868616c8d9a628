//go:build (darwin || dragonfly || freebsd || netbsd || openbsd) && !poll_opt

package gnet

import "golang.org/x/sys/unix"

const canTakeReaders = true

// addReader has the poller report input, as gnet's own registration does; known
// makes no difference.
func addReader(poller, fd int, _ bool) error { return change(poller, fd, unix.EV_ADD) }

func removeReader(poller, fd int) error { return change(poller, fd, unix.EV_DELETE) }

func change(poller, fd, how int) error {
	changes := make([]unix.Kevent_t, 1)
	unix.SetKevent(&changes[0], fd, unix.EVFILT_READ, how)
	_, err := unix.Kevent(poller, changes, nil, nil)
	return err
}
