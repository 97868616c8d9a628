//go:build !unix

package driver

import (
	"errors"
	"fmt"
	"net"
)

// socketPair is for loops that wait for descriptors, of which there are none here.
func socketPair() (near, far net.Conn, err error) {
	return nil, nil, fmt.Errorf("amqp: connection without a descriptor: %w", errors.ErrUnsupported)
}
