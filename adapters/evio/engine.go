//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package evio

import (
	"crypto/rand"
	"errors"
	"net"
	"runtime"
	"sync/atomic"

	"github.com/tidwall/evio"

	"github.com/haypile/haypile/internal/stream"
)

// engine is a server of evio with one loop. The only connection that it accepts
// is ours: a byte on it is how the loop is told to run tasks, since evio's own
// Wake loses output and wake-ups, and writes to a descriptor that may be somebody
// else's when the server has ended.
type engine struct {
	loop       *Loop
	relay      bool
	newGraft   func(control any) (*graft, error)
	path       string // of the listener
	token      string // which the connection begins with
	low        []int  // descriptors that are taken until there is a listener
	control    net.Conn
	ready      chan struct{} // closed when the loop has seen the token
	ended      chan struct{} // closed when the server has returned
	err        error         // why it did, when ended is closed
	notGrafted error         // why there is no graft though there should be one
	count      atomic.Int64  // transports, those on their way included

	tasks stream.Tasks

	// of evio's loop; after its end, of the goroutine that serves
	transports map[*transport]struct{}
	clock      stream.Clock
	graft      *graft // nil: relayed
	buffer     []byte // that relayed transports read into
	quitting   bool
	dead       bool // evio's descriptors are closed
}

func newEngine(l *Loop, o *options) *engine {
	e := &engine{
		loop: l, relay: o.relay, newGraft: o.graft, token: rand.Text(),
		ready: make(chan struct{}), ended: make(chan struct{}), transports: map[*transport]struct{}{},
	}
	e.tasks.Tell, e.clock.Tasks = e.knock, &e.tasks
	return e
}

// finish ends what has not ended, which is nothing unless the server ended of
// itself.
func (e *engine) finish() {
	e.dead = true
	e.tasks.Close()
	e.tasks.Run()
	e.abandonAll()
	select {
	case <-e.ready:
	default:
		return // start tells
	}
	if !e.quitting {
		e.loop.report(errors.New("amqp: evio: the server has ended"))
		e.loop.Close()
	}
}

// abandon ends the transports, on the loop, and waits until it has.
func (e *engine) abandon() {
	done := make(chan struct{})
	if e.tasks.Add(ending{e, done}) {
		<-done
	}
}

func (e *engine) abandonAll() {
	for t := range e.transports {
		t.Abandon()
	}
}

// opened is told by evio. Reading into a buffer of its own spares a copy.
func opened(evio.Conn) ([]byte, evio.Options, evio.Action) {
	return nil, evio.Options{ReuseInputBuffer: true}, evio.None
}

// data is told by evio. Nothing is returned to be sent: while that is on its way,
// evio does not read.
func (e *engine) data(c evio.Conn, in []byte) (_ []byte, action evio.Action) {
	switch t := c.Context().(type) {
	case *transport:
		t.Input(in)
	case *engine:
		action = e.run()
	default:
		if string(in) != e.token {
			return nil, evio.Close
		}
		c.SetContext(e)
		if !e.relay {
			e.graft, e.notGrafted = e.newGraft(c)
		}
		close(e.ready)
	}
	// Evio is about to sleep: those who answer what was just done do so first, on this
	// thread, which spares waking another one for them, and then this one for us.
	if len(in) != heartbeatSize {
		runtime.Gosched()
	}
	return nil, action
}

// heartbeatSize is that of the one frame that nobody answers. To yield for it costs
// more than to take it.
const heartbeatSize = 8

// closed is told by evio. The descriptor is closed already, and its number may be
// somebody else's: the transport must not touch it any more.
func closed(c evio.Conn, err error) evio.Action {
	if t, ok := c.Context().(*transport); ok {
		t.taken = true
		t.Lost(err)
	}
	return evio.None
}
