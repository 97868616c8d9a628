//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package gnet

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/panjf2000/gnet/v2"
)

// reader takes a connection out of gnet's poller and back. gnet has no call for
// that, so it needs the poller's descriptor, which stands in private fields.
type reader struct {
	poller int32 // -1 if it is not known
	paused bool
	held   []byte // what came nevertheless
}

// ErrNotPaused ends a transport that stopped reading and got more than 1 MiB,
// with a gnet whose poller is not where it was in version 2.9.7, or that was
// built with the tag poll_opt. In the versions that the adapter knows, reading
// stops and the peer waits.
var ErrNotPaused = errors.New("amqp: gnet: cannot stop reading")

// heldMost bounds what a transport keeps that cannot stop reading.
const heldMost = 1 << 20

func newReader(c gnet.Conn) reader {
	poller := findPoller(c)
	if poller >= 0 && addReader(poller, c.Fd(), true) != nil {
		poller = -1
	}
	return reader{poller: int32(poller)}
}

// findPoller looks up the descriptor of the poller, -1 if it is not where it is
// expected.
func findPoller(c gnet.Conn) int {
	if !canTakeReaders {
		return -1
	}
	v := reflect.ValueOf(c)
	for _, name := range []string{"loop", "poller", "fd"} {
		if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
			return -1
		}
		v = v.Elem().FieldByName(name)
	}
	if v.Kind() != reflect.Int {
		return -1
	}
	return int(v.Int())
}

// setReading has gnet read, or not.
func (t *transport) setReading(on bool) error {
	r := &t.reader
	if on != r.paused {
		return nil
	}
	if r.poller >= 0 {
		set := removeReader
		if on {
			set = func(poller, fd int) error { return addReader(poller, fd, false) }
		}
		if err := set(int(r.poller), t.conn.Fd()); err != nil {
			return fmt.Errorf("amqp: gnet: %w", err)
		}
	}
	r.paused = !on
	if len(r.held) > 0 {
		t.runner.tasks.Add((*delivery)(t))
	}
	return nil
}

// input is told by gnet.
func (t *transport) input(p []byte) {
	r := &t.reader
	switch {
	case !r.paused && len(r.held) == 0:
		t.Input(p)
	case len(r.held)+len(p) > heldMost:
		t.Lost(ErrNotPaused)
	default:
		r.held = append(r.held, p...)
	}
}
