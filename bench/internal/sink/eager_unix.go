//go:build unix

package sink

import (
	"io"
	"net"
	"syscall"
	"time"
)

// patience is how long an eager sink looks for input before it sleeps: longer
// than a client takes to answer.
const patience = 500 * time.Microsecond

// eagerly is c's Read, which first asks again and again.
func eagerly(c net.Conn) func([]byte) (int, error) {
	socket, ok := c.(syscall.Conn)
	if !ok {
		return c.Read
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return c.Read
	}
	return func(p []byte) (n int, err error) {
		failed := raw.Read(func(fd uintptr) bool {
			for began := time.Now(); ; {
				n, err = syscall.Read(int(fd), p)
				if err != syscall.EAGAIN && err != syscall.EINTR {
					return true
				}
				if time.Since(began) > patience {
					return false
				}
			}
		})
		switch {
		case failed != nil:
			return 0, failed
		case err == nil && n == 0:
			return 0, io.EOF
		}
		return max(n, 0), err
	}
}
