//go:build linux && !poll_opt

package gnet

import "golang.org/x/sys/unix"

const canTakeReaders = true

// addReader has the poller report input, as gnet's own registration does. known
// tells that the descriptor is registered.
func addReader(poller, fd int, known bool) error {
	op := unix.EPOLL_CTL_ADD
	if known {
		op = unix.EPOLL_CTL_MOD
	}
	return unix.EpollCtl(poller, op, fd, &unix.EpollEvent{Fd: int32(fd), Events: unix.EPOLLIN | unix.EPOLLPRI})
}

func removeReader(poller, fd int) error { return unix.EpollCtl(poller, unix.EPOLL_CTL_DEL, fd, nil) }
