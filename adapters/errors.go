package adapters

import (
	"errors"
	"fmt"
	"net"
)

// ErrClosed is returned by Attach after Close. It matches net.ErrClosed, too.
var ErrClosed error = closedError{}

// ErrNotPollable is returned by Attach of a loop that needs a file descriptor,
// for a connection that has none of its own.
var ErrNotPollable = errors.New("amqp: connection has no file descriptor to poll")

type closedError struct{}

func (closedError) Error() string        { return "amqp: loop is closed" }
func (closedError) Is(target error) bool { return target == net.ErrClosed }

// PanicError is why a transport ended whose handler panicked.
type PanicError struct {
	Value any    // what was passed to panic
	Stack []byte // of the goroutine that panicked, as debug.Stack formats it
}

// Error has the value and no stack.
func (e *PanicError) Error() string { return fmt.Sprintf("amqp: handler panicked: %v", e.Value) }

// Unwrap is Value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
