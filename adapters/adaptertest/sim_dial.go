package adaptertest

import (
	"context"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// simNetwork is what addresses and errors call the network.
const simNetwork = "sim"

type simAddr string

func (a simAddr) Network() string { return simNetwork }
func (a simAddr) String() string  { return string(a) }

func clientAddr(number int) simAddr { return simAddr("client:" + strconv.Itoa(number)) }

// fate is what becomes of dials.
type fate uint8

const (
	fateAllow fate = iota
	fateRefuse
	fateSwallow
)

// Refuse makes dials of the address fail with syscall.ECONNREFUSED, as they do
// where nobody listens. Connections that there are live on.
func (s *Sim) Refuse(address string) { s.setFate(address, fateRefuse) }

// Swallow leaves dials of the address without an answer: they last as long as
// their context.
func (s *Sim) Swallow(address string) { s.setFate(address, fateSwallow) }

// Allow ends Refuse and Swallow for dials from now on.
func (s *Sim) Allow(address string) { s.setFate(address, fateAllow) }

func (s *Sim) setFate(address string, f fate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fates[simAddr(address)] = f
}

// dial is one that is under way. All but done is under Sim.mu.
type dial struct {
	sim       *Sim
	address   simAddr
	number    int
	done      chan struct{} // closed when it has an answer
	conn      *SimConn
	err       error
	abandoned bool
}

// DialContext connects to a listener of the Sim and takes a round trip for that.
// It fits driver.Params. Names are not looked up and the network is ignored: the
// address is what Listen was given. The error is a *net.OpError: with
// syscall.ECONNREFUSED where nobody listens, or the context's.
func (s *Sim) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	d := &dial{sim: s, address: simAddr(address), done: make(chan struct{})}
	if err := ctx.Err(); err != nil {
		return nil, d.failure(err)
	}
	s.mu.Lock()
	s.dials++
	d.number = s.dials
	d.trace("dials")
	if s.fates[d.address] != fateSwallow {
		s.add(time.Now().Add(s.config.Latency), 2*d.number, d.reach)
	}
	s.mu.Unlock()
	select {
	case <-d.done:
	case <-ctx.Done():
		return nil, d.abandon(ctx.Err())
	}
	if d.err != nil {
		return nil, d.failure(d.err)
	}
	return d.conn, nil
}

// abandon undoes what has been reached.
func (d *dial) abandon(err error) error {
	d.sim.mu.Lock()
	defer d.sim.mu.Unlock()
	d.abandoned = true
	if d.conn != nil {
		d.conn.shut()
	}
	return d.failure(err)
}

func (d *dial) failure(err error) error {
	return &net.OpError{Op: "dial", Net: simNetwork, Addr: d.address, Err: err}
}

// reach is the event of the listener's side.
func (d *dial) reach() {
	s := d.sim
	if d.abandoned {
		return
	}
	ln := s.listeners[d.address]
	if ln == nil || s.fates[d.address] != fateAllow {
		d.err = syscall.ECONNREFUSED
	} else {
		var server *SimConn
		d.conn, server = newSimPair(s, d.number, d.address)
		s.conns = append(s.conns, d.conn)
		if f := s.config.OnConnect; f != nil {
			s.unlocked(func() { f(d.conn) })
		}
		ln.offer(server)
	}
	s.add(time.Now().Add(s.config.Latency), 2*d.number, d.answer)
}

// answer is the event of the dialling side.
func (d *dial) answer() {
	switch {
	case d.abandoned:
		return
	case d.err != nil:
		d.trace("refused")
	default:
		d.trace("connected")
	}
	close(d.done)
}

func (d *dial) trace(what string) {
	d.sim.trace(SimEvent{Conn: d.number, What: what, Address: string(d.address)})
}

// simListener is a net.Listener on a Sim's network.
type simListener struct {
	sim     *Sim
	address simAddr
	changed sync.Cond // on Sim.mu

	// Under Sim.mu.
	backlog []*SimConn
	closed  bool
}

// Listen makes dials of the address reach the listener. Any text will do that is
// what is dialled: "rabbit1:5672", or the path of a UNIX socket. Port 0 means one
// that is free. The error is a *net.OpError with syscall.EADDRINUSE.
func (s *Sim) Listen(address string) (net.Listener, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if host, port, err := net.SplitHostPort(address); err == nil && port == "0" {
		s.ports++
		address = net.JoinHostPort(host, strconv.Itoa(firstPort+s.ports))
	}
	ln := &simListener{sim: s, address: simAddr(address)}
	ln.changed.L = &s.mu
	if s.listeners[ln.address] != nil {
		return nil, ln.failure("listen", syscall.EADDRINUSE)
	}
	s.listeners[ln.address] = ln
	return ln, nil
}

// firstPort is below the ports that Listen chooses.
const firstPort = 49151

// offer queues a connection for Accept.
func (ln *simListener) offer(c *SimConn) {
	ln.backlog = append(ln.backlog, c)
	if ln.closed {
		ln.clear()
	}
	ln.changed.Broadcast()
}

// Accept implements net.Listener.
func (ln *simListener) Accept() (net.Conn, error) {
	ln.sim.mu.Lock()
	defer ln.sim.mu.Unlock()
	for !ln.closed {
		if len(ln.backlog) > 0 {
			c := ln.backlog[0]
			ln.backlog = ln.backlog[1:]
			return c, nil
		}
		ln.changed.Wait()
	}
	return nil, ln.failure("accept", net.ErrClosed)
}

// Close implements net.Listener. It breaks connections that were not accepted.
func (ln *simListener) Close() error {
	ln.sim.mu.Lock()
	defer ln.sim.mu.Unlock()
	if ln.closed {
		return ln.failure("close", net.ErrClosed)
	}
	ln.closed = true
	delete(ln.sim.listeners, ln.address)
	ln.clear()
	ln.changed.Broadcast()
	return nil
}

func (ln *simListener) clear() {
	for _, c := range ln.backlog {
		c.breakBoth()
	}
	ln.backlog = nil
}

// Addr implements net.Listener.
func (ln *simListener) Addr() net.Addr { return ln.address }

func (ln *simListener) failure(op string, err error) error {
	return &net.OpError{Op: op, Net: simNetwork, Addr: ln.address, Err: err}
}
