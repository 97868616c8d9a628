//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package evio

import (
	"errors"
	"fmt"
	"net"

	"github.com/tidwall/evio"
)

// task is something to be done on an engine's loop.
type task interface{ run() }

// add has the task run soon, unless everything has ended. Any goroutine may call
// it.
func (e *engine) add(t task) bool {
	e.mu.Lock()
	if e.over {
		e.mu.Unlock()
		return false
	}
	e.queue = append(e.queue, t)
	first := !e.underway
	e.underway = true
	e.mu.Unlock()
	if first {
		e.knock()
	}
	return true
}

var knock = []byte{0}

// knock has evio call data. There is one byte on its way at most, so this does
// not wait.
func (e *engine) knock() {
	if _, err := e.control.Write(knock); err != nil && !errors.Is(err, net.ErrClosed) {
		e.loop.report(fmt.Errorf("amqp: evio: %w", err))
	}
}

// keepTasks bounds the queue that is kept.
const keepTasks = 4096

// run runs the tasks that are there when it begins. Those that they add have to
// wait until evio has looked at its sockets.
func (e *engine) run() evio.Action {
	e.mu.Lock()
	batch := e.queue
	e.queue = e.spare[:0]
	e.mu.Unlock()
	for i, t := range batch {
		batch[i] = nil
		t.run()
	}
	if e.quitting {
		return evio.Shutdown
	}
	if cap(batch) > keepTasks {
		batch = nil
	}
	e.mu.Lock()
	e.spare = batch
	e.underway = len(e.queue) > 0
	again := e.underway
	e.mu.Unlock()
	if again {
		e.knock()
	}
	return evio.None
}

// quit ends the loop.
type quit engine

func (q *quit) run() { q.quitting = true }

// ending ends all transports.
type ending struct {
	e    *engine
	done chan struct{}
}

func (n ending) run() {
	n.e.abandonAll()
	close(n.done)
}

// arrival and wake are tasks of a transport.
type (
	arrival transport
	wake    transport
)

func (a *arrival) run() {
	t := (*transport)(a)
	t.engine.transports[t] = struct{}{}
	t.Open(nil)
}

func (w *wake) run() { w.Woken() }

// expiry is what the clock rings for.
type expiry engine

func (x *expiry) run() { x.clock.Expire() }
