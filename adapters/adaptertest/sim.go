package adaptertest

import (
	"errors"
	"net"
	"slices"
	"time"

	"github.com/haypile/haypile/adapters"
)

// SimConfig says how a Sim's network behaves. The zero value is one that is fast
// and whole. Negative values count as zero.
type SimConfig struct {
	// Seed decides all that is random: jitter and where bytes are split.
	Seed uint64
	// Latency is what a byte takes from one end to the other; dialling takes
	// twice that. A random part of Jitter comes on top, packet by packet; no byte
	// overtakes another.
	Latency, Jitter time.Duration
	// Bandwidth is how many bytes pass in each direction of a connection each
	// second. Default: any number.
	Bandwidth int
	// MaxChunk splits what is sent, at random, into pieces of at most so many
	// bytes that arrive one by one: with 1, byte by byte. Default: what one write
	// sends arrives at once, up to 64 KiB.
	MaxChunk int
	// Window is how many bytes each direction of a connection holds that are on
	// their way or not read; who writes more waits. Default 256 KiB.
	Window int
	// OnConnect, if set, is called with the dialling end of each new connection
	// before a byte of it moves: the place for faults from the beginning. It must
	// not wait.
	OnConnect func(c *SimConn)
	// Trace, if set, is told of all that happens on the network, in order. It must
	// not call the Sim.
	Trace func(e SimEvent)
}

const defaultWindow = 256 << 10

// Sim is an adapters.Loop with a network of its own, in memory. Inside a bubble of
// testing/synctest time is virtual: hours of heartbeats, retries and stalls pass
// in milliseconds, and a test that waits for what never comes fails at once, as a
// deadlock, unless timers go on for ever. NewSim must be called inside the bubble
// that uses it. Outside of any, a Sim works in real time.
//
// Give the Sim as the loop, what Listen returns to driver.Serve or to a goroutine
// that accepts, and DialContext to driver.Params. Attach takes connections of the
// Sim's own network only. All methods may be called from any goroutine.
//
// # Time
//
// Handlers run one call at a time for the whole Sim, so one that waits stops
// everything. Before each call, and before each packet arrives, all goroutines of
// the bubble have come to rest; packets and calls follow the times of their
// causes, and the numbers of their connections where those are equal. Each takes
// at least a microsecond, so that times are a little later than plain sums, and a
// handler that is never done does not stop the clock.
//
// # What repeats
//
// A program that acts in handlers and callbacks alone repeats itself exactly, to
// the nanosecond, with the same seed. Goroutines are ordered by Go's scheduler
// alone: those that become ready together run in any order, and one that a call
// makes ready runs beside the rest of that call, which may or may not see what it
// queues, as with the blocking client. Let such a goroutine sleep first, or run the
// test on one processor (go test -cpu 1, without the race detector, which shuffles).
//
// What has randomness of its own does not repeat: records of TLS, the length of
// the driver's pauses between attempts, its Shuffle.
type Sim struct {
	agenda
	config SimConfig
	begin  time.Time
	done   chan struct{}

	// Under mu.
	closed     bool
	transports map[*simTransport]struct{}
	listeners  map[simAddr]*simListener
	fates      map[simAddr]fate
	conns      []*SimConn // dialling ends, of connections that live
	dials      int
	ports      int
}

var _ adapters.Loop = (*Sim)(nil)

// NewSim returns a Sim. It holds no goroutine, and need not be closed for the
// bubble to end.
func NewSim(cfg SimConfig) *Sim {
	cfg.Latency, cfg.Jitter = max(cfg.Latency, 0), max(cfg.Jitter, 0)
	cfg.Bandwidth, cfg.MaxChunk = max(cfg.Bandwidth, 0), max(cfg.MaxChunk, 0)
	if cfg.Window <= 0 {
		cfg.Window = defaultWindow
	}
	return &Sim{
		config: cfg, begin: time.Now(), done: make(chan struct{}),
		transports: make(map[*simTransport]struct{}),
		listeners:  make(map[simAddr]*simListener),
		fates:      make(map[simAddr]fate),
	}
}

// Attach implements adapters.Loop. conn must be a *SimConn of this Sim, as
// DialContext and Accept return them; for any other the error is
// adapters.ErrNotPollable.
func (s *Sim) Attach(conn net.Conn, h adapters.Handler) error {
	c, ok := conn.(*SimConn)
	if conn == nil || ok && c == nil {
		return errors.New("amqp: Attach of a nil connection")
	}
	err := adapters.ErrNotPollable
	if ok && c.sim == s {
		err = s.attach(c, h)
	}
	if err != nil {
		conn.Close() // the caller has a better error
	}
	return err
}

func (s *Sim) attach(c *SimConn, h adapters.Handler) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case h == nil:
		return errors.New("amqp: Attach with a nil handler")
	case s.closed:
		return adapters.ErrClosed
	case c.closed:
		return c.failure("attach", net.ErrClosed)
	case c.transport != nil:
		return errors.New("amqp: Attach of a connection that is attached")
	}
	c.transport = &simTransport{sim: s, conn: c, h: h}
	s.transports[c.transport] = struct{}{}
	c.transport.soon()
	return nil
}

// Close implements adapters.Loop. It always returns nil. The network goes on for
// those who use it without the loop.
func (s *Sim) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	for t := range s.transports {
		t.abort()
	}
	if len(s.transports) == 0 {
		close(s.done)
	}
	return nil
}

// Done implements adapters.Loop.
func (s *Sim) Done() <-chan struct{} { return s.done }

// Conns returns the dialling ends of the connections that live, in the order of
// their numbers.
func (s *Sim) Conns() []*SimConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.conns)
}

func (s *Sim) forgetTransport(t *simTransport) {
	delete(s.transports, t)
	if s.closed && len(s.transports) == 0 {
		close(s.done)
	}
}

// forgetClosed is told of an end that is closed or broken.
func (s *Sim) forgetClosed(c *SimConn) {
	if gone := c.peer.closed || c.peer.broken; !gone {
		return
	}
	s.conns = slices.DeleteFunc(s.conns, func(o *SimConn) bool { return o.number == c.number })
}
