package ioloop

import (
	"errors"
	"fmt"

	"github.com/haypile/haypile/adapters"
)

// Sentinels, compared with errors.Is.
var (
	// ErrClosed: the loop has been closed. It matches net.ErrClosed, too.
	ErrClosed = adapters.ErrClosed
	// ErrRunning: Start was called while the loop runs.
	ErrRunning = errors.New("amqp: ioloop: already running")
	// ErrUnsupported: the poller does not exist here, or cannot wait for the
	// descriptor: epoll for a regular file, select for one of 1024 or more. A
	// descriptor that is not open is not this error, but syscall.EBADF.
	ErrUnsupported = errors.New("amqp: ioloop: not supported")
	// ErrHandled: the file descriptor has a handler already.
	ErrHandled = errors.New("amqp: ioloop: the descriptor has a handler")
	// ErrNotHandled: the file descriptor has no handler.
	ErrNotHandled = errors.New("amqp: ioloop: the descriptor has no handler")
)

func unsupported(kind Poller) error { return fmt.Errorf("%w: %s on this system", ErrUnsupported, kind) }
