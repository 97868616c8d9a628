//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package evio

import (
	"errors"
	"fmt"
	"net"

	"github.com/haypile/haypile/adapters"
)

// Loop is for systems where evio has an event loop to lend.
type Loop struct{}

// Option changes what New makes.
type Option func()

var errNotHere = fmt.Errorf("amqp: evio: %w on this system", errors.ErrUnsupported)

// New returns an error that is errors.ErrUnsupported.
func New(...Option) (*Loop, error) { return nil, errNotHere }

// Attach implements adapters.Loop.
func (*Loop) Attach(conn net.Conn, _ adapters.Handler) error {
	conn.Close()
	return errNotHere
}

// Close implements adapters.Loop.
func (*Loop) Close() error { return nil }

// Done implements adapters.Loop.
func (*Loop) Done() <-chan struct{} {
	done := make(chan struct{})
	close(done)
	return done
}
