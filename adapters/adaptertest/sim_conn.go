package adaptertest

import (
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// SimConn is one end of a connection on a Sim's network. It is a net.Conn for
// goroutines that read and write, and what Attach of the same Sim takes; from
// then on only its methods about faults are the caller's. All methods may be
// called from any goroutine, those about faults inside handler calls, too.
//
// Read returns no more than what arrived at once. What has arrived can be read
// although the connection broke afterwards.
type SimConn struct {
	sim     *Sim
	number  int
	server  bool // the end that was accepted
	peer    *SimConn
	local   net.Addr
	out     link      // what this end sends
	changed sync.Cond // on Sim.mu: anything of this end

	// Under Sim.mu.
	transport         *simTransport // that has it; nil for goroutines
	closed            bool
	broken            bool // reset
	readBy, writeBy   time.Time
	readEnd, writeEnd *time.Timer
}

// newSimPair makes the two ends of a connection.
func newSimPair(s *Sim, number int, address simAddr) (client, server *SimConn) {
	client = &SimConn{sim: s, number: number, local: clientAddr(number)}
	server = &SimConn{sim: s, number: number, local: address, server: true, peer: client}
	client.peer = server
	for i, c := range []*SimConn{client, server} {
		c.changed.L = &s.mu
		c.out = link{
			from: c, to: c.peer, cut: -1,
			rand:    rand.New(rand.NewPCG(s.config.Seed, uint64(2*number+i))),
			latency: s.config.Latency, jitter: s.config.Jitter,
			bandwidth: s.config.Bandwidth, chunk: s.config.MaxChunk,
		}
	}
	return client, server
}

// Number counts the Sim's dials from 1. Both ends have the same.
func (c *SimConn) Number() int { return c.number }

// Peer is the other end.
func (c *SimConn) Peer() *SimConn { return c.peer }

// who orders what happens at one time.
func (c *SimConn) who() int {
	if c.server {
		return 2*c.number + 1
	}
	return 2 * c.number
}

// Read implements net.Conn.
func (c *SimConn) Read(p []byte) (int, error) {
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	for in := &c.peer.out; ; c.changed.Wait() {
		switch {
		case c.closed:
			return 0, c.failure("read", net.ErrClosed)
		case expired(c.readBy):
			return 0, c.failure("read", os.ErrDeadlineExceeded)
		case len(p) == 0:
			return 0, nil
		case len(in.arrived) > 0:
			return copy(p, in.read(len(p))), nil
		case in.ended:
			return 0, io.EOF
		case c.broken:
			return 0, c.failure("read", syscall.ECONNRESET)
		}
	}
}

// Write implements net.Conn. It waits while the network holds as much as it can.
func (c *SimConn) Write(p []byte) (n int, err error) {
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	for ; ; c.changed.Wait() {
		switch {
		case c.closed:
			return n, c.failure("write", net.ErrClosed)
		case c.broken:
			return n, c.failure("write", syscall.ECONNRESET)
		case c.out.shut:
			return n, c.failure("write", syscall.EPIPE)
		case expired(c.writeBy):
			return n, c.failure("write", os.ErrDeadlineExceeded)
		}
		if n += c.out.send(p[n:]); n == len(p) {
			return n, nil
		}
	}
}

// Close implements net.Conn. What was written still arrives, then the end; what
// the peer writes afterwards breaks the connection for it.
func (c *SimConn) Close() error {
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	if c.closed {
		return c.failure("close", net.ErrClosed)
	}
	c.shut()
	return nil
}

// shut is Close, under mu.
func (c *SimConn) shut() {
	if c.closed {
		return
	}
	c.closed = true
	c.stopTimers()
	c.peer.out.dropArrived()
	if !c.broken {
		c.out.end()
	}
	c.sim.forgetClosed(c)
	c.notify()
}

// CloseWrite ends this end's side: the peer reads io.EOF behind what was written.
func (c *SimConn) CloseWrite() error {
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	if c.closed {
		return c.failure("close", net.ErrClosed)
	}
	if !c.broken {
		c.out.end()
	}
	return nil
}

// LocalAddr implements net.Conn. The end that was accepted has the listener's.
func (c *SimConn) LocalAddr() net.Addr { return c.local }

// RemoteAddr implements net.Conn.
func (c *SimConn) RemoteAddr() net.Addr { return c.peer.local }

// SetDeadline implements net.Conn.
func (c *SimConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (c *SimConn) SetReadDeadline(t time.Time) error {
	return c.setDeadline(&c.readBy, &c.readEnd, t)
}

// SetWriteDeadline implements net.Conn.
func (c *SimConn) SetWriteDeadline(t time.Time) error {
	return c.setDeadline(&c.writeBy, &c.writeEnd, t)
}

func (c *SimConn) setDeadline(by *time.Time, end **time.Timer, t time.Time) error {
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	if c.closed {
		return c.failure("set", net.ErrClosed)
	}
	if *end != nil {
		(*end).Stop()
	}
	*by, *end = t, nil
	if !t.IsZero() {
		*end = time.AfterFunc(time.Until(t), func() {
			c.sim.mu.Lock()
			defer c.sim.mu.Unlock()
			c.changed.Broadcast()
		})
	}
	c.changed.Broadcast()
	return nil
}

func (c *SimConn) stopTimers() {
	for _, t := range []*time.Timer{c.readEnd, c.writeEnd} {
		if t != nil {
			t.Stop()
		}
	}
}

func expired(by time.Time) bool { return !by.IsZero() && !time.Now().Before(by) }

func (c *SimConn) failure(op string, err error) error {
	return &net.OpError{Op: op, Net: simNetwork, Source: c.local, Addr: c.peer.local, Err: err}
}

// notify is told that something came.
func (c *SimConn) notify() {
	c.changed.Broadcast()
	if c.transport != nil {
		c.transport.soon()
	}
}

// writable is told that there is room.
func (c *SimConn) writable() {
	c.changed.Broadcast()
	if c.transport != nil {
		c.transport.flush()
	}
}

// fail is a reset, as this end sees it.
func (c *SimConn) fail() {
	if c.broken || c.closed {
		return
	}
	c.broken = true
	c.trace("reset", 0)
	c.sim.forgetClosed(c)
	c.notify()
}

// breakBoth is a reset for both ends. What is on its way is lost.
func (c *SimConn) breakBoth() {
	for _, end := range []*SimConn{c, c.peer} {
		end.out.drop()
		end.fail()
	}
}
