//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package stream

import (
	"errors"
	"net"

	"github.com/haypile/haypile/internal/descriptor"
)

var errWouldBlock = errors.New("amqp: would block")

// TakeDescriptor needs a system that has descriptors.
func TakeDescriptor(net.Conn) (int, error) { return 0, errors.ErrUnsupported }

// Pollable needs a system that has descriptors.
func Pollable(net.Conn) bool { return false }

// CloseDescriptor needs a system that has descriptors.
func CloseDescriptor(int) {}

func readSocket(int, []byte) (int, error)              { return 0, errors.ErrUnsupported }
func writeSocket(int, []byte) (int, error)             { return 0, errors.ErrUnsupported }
func writeVector(int, *descriptor.Vector) (int, error) { return 0, errors.ErrUnsupported }
func shutdownWrite(int) error                          { return errors.ErrUnsupported }
