//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package evio

import (
	"errors"
	"fmt"
	"net"

	"github.com/tidwall/evio"
)

var knock = []byte{0}

// knock has evio call data. There is one byte on its way at most, so this does
// not wait.
func (e *engine) knock() {
	if _, err := e.control.Write(knock); err != nil && !errors.Is(err, net.ErrClosed) {
		e.loop.report(fmt.Errorf("amqp: evio: %w", err))
	}
}

// run runs the tasks. Those that they add have to wait until evio has looked at its
// sockets.
func (e *engine) run() evio.Action {
	more := e.tasks.Run()
	if e.quitting {
		return evio.Shutdown
	}
	if more {
		e.knock()
	}
	return evio.None
}

// quit ends the loop.
type quit engine

// Run implements stream.Task. Evio closes all connections next, and that of knock is
// among them.
func (q *quit) Run() {
	q.quitting = true
	q.tasks.Close()
}

// ending ends all transports.
type ending struct {
	e    *engine
	done chan struct{}
}

// Run implements stream.Task.
func (n ending) Run() {
	n.e.abandonAll()
	close(n.done)
}

// arrival and wake are tasks of a transport.
type (
	arrival transport
	wake    transport
)

// Run implements stream.Task.
func (a *arrival) Run() {
	t := (*transport)(a)
	t.engine.transports[t] = struct{}{}
	t.Open(nil)
}

// Run implements stream.Task.
func (w *wake) Run() { w.Woken() }
