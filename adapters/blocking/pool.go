package blocking

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/haypile/haypile/core"
)

// Pool publishes over several channels, and connections if asked, for programs
// that publish from many goroutines. It gives channels that the broker closed over
// an error a successor, and keeps consumers on a connection of their own, as
// RabbitMQ needs it: a connection that publishes during a resource alarm is not
// read any more, and its acks with it. All its methods may be called from any
// number of goroutines at once.
type Pool struct {
	dial      func(ctx context.Context, what string) (*Conn, error)
	lanes     []*lane // of all connections in turn: neighbours are of different ones
	conns     []*Conn // for publishing
	turn      atomic.Uint32
	seed      maphash.Seed
	consuming chan struct{} // holds one: who takes it may dial consumer

	mu       sync.Mutex // everything below
	consumer *Conn
	closed   bool
}

// PoolSize is how large a Pool is. The zero value is one that fits most programs.
type PoolSize struct {
	// Connections to publish on. Default 1. More help where one connection's
	// worth of a core, in the broker or here, is too little; then the order is kept
	// for less (see Publish).
	Connections int
	// Channels on each. Default 4. The broker works on the channels of a connection
	// side by side.
	Channels int
}

// lane is a place in the pool, with a channel that is replaced when it has ended.
type lane struct {
	conn *Conn
	ch   atomic.Pointer[Channel]
	turn chan struct{} // holds one: who takes it may open a channel
}

// DialPool connects as Dial does, as often as size says; options are for each
// connection. Channels are opened when they are used for the first time, the
// connection for consumers too. Errors are Dial's, and a *ConfigError for a
// negative size.
func DialPool(ctx context.Context, uri string, size PoolSize, opts ...Option) (*Pool, error) {
	for _, f := range []struct {
		name  string
		value *int
		or    int
	}{{"PoolSize.Connections", &size.Connections, 1}, {"PoolSize.Channels", &size.Channels, 4}} {
		switch {
		case *f.value < 0:
			return nil, &ConfigError{Field: f.name, Value: *f.value, Want: "positive, or 0 for the default"}
		case *f.value == 0:
			*f.value = f.or
		}
	}
	p := &Pool{seed: maphash.MakeSeed(), consuming: make(chan struct{}, 1)}
	p.consuming <- struct{}{}
	p.dial = func(ctx context.Context, what string) (*Conn, error) {
		return Dial(ctx, uri, append(opts[:len(opts):len(opts)], withRole(what))...)
	}
	for range size.Connections {
		c, err := p.dial(ctx, "publishing")
		if err != nil {
			return nil, errors.Join(err, p.Close(ctx))
		}
		p.conns = append(p.conns, c)
	}
	for range size.Channels {
		for _, c := range p.conns {
			l := &lane{conn: c, turn: make(chan struct{}, 1)}
			l.turn <- struct{}{}
			p.lanes = append(p.lanes, l)
		}
	}
	return p, nil
}

// withRole adds to a connection's name, if it has one, what the pool has it for.
func withRole(what string) Option {
	return func(s *settings) {
		if name, ok := s.params.Client.Properties["connection_name"].(string); ok {
			WithName(fmt.Sprintf("%s (%s)", name, what))(s)
		}
	}
}

// Publish is Channel.Publish on a channel of the pool's. Messages with the same
// exchange and routing key pass through the same channel and keep their order;
// others may overtake each other.
func (p *Pool) Publish(ctx context.Context, m *Publishing) error {
	if m == nil {
		return checkNames(m)
	}
	var h maphash.Hash
	h.SetSeed(p.seed)
	h.WriteString(m.Exchange)
	h.WriteByte(0)
	h.WriteString(m.RoutingKey)
	n := len(p.lanes)
	return p.publish(ctx, int(h.Sum64()%uint64(n)), func(ch *Channel) error { return ch.Publish(ctx, m) })
}

// PublishConfirm is Channel.PublishConfirm on a channel of the pool's, on a
// connection that can send at the moment if there is one. A goroutine's messages
// keep their order, since each is confirmed before the next.
//
// Channels are shared: a message that makes the broker close one, such as one for
// an exchange that does not exist, leaves those that wait on it at the time with
// ErrUnknownOutcome. The channel after it serves the next.
func (p *Pool) PublishConfirm(ctx context.Context, m *Publishing) error {
	n := len(p.lanes)
	first := int(p.turn.Add(1) % uint32(n))
	at := first
	for i := range p.conns {
		if l := p.lanes[(first+i)%n]; l.conn.sends() {
			at = (first + i) % n
			break
		}
	}
	return p.publish(ctx, at, func(ch *Channel) error { return ch.PublishConfirm(ctx, m) })
}

// publish publishes on a lane. A channel that ended before it took the message is
// replaced, and a connection that did, for good, by the next one.
func (p *Pool) publish(ctx context.Context, at int, send func(*Channel) error) error {
	for tried := 1; ; {
		l := p.lanes[at]
		ch, err := l.channel(ctx)
		if err == nil {
			if err = send(ch); !ch.refused(err) {
				return err
			}
		}
		switch {
		case !l.conn.hasEnded() && ch == nil:
			return err
		case !l.conn.hasEnded():
			continue // with the channel's successor
		case tried == len(p.conns):
			return err
		}
		tried++
		at = (at + 1) % len(p.lanes)
	}
}

// refused tells that the channel had ended before it took a message.
func (ch *Channel) refused(err error) bool {
	return errors.Is(err, core.ErrClosed) && !errors.Is(err, ErrUnknownOutcome) && ch.hasEnded()
}

// channel is the lane's channel; one that has ended gets a successor.
func (l *lane) channel(ctx context.Context) (*Channel, error) {
	if ch := l.ch.Load(); ch != nil && !ch.hasEnded() {
		return ch, nil
	}
	select {
	case <-l.turn:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { l.turn <- struct{}{} }()
	if ch := l.ch.Load(); ch != nil && !ch.hasEnded() {
		return ch, nil
	}
	ch, err := l.conn.Channel(ctx)
	if err == nil {
		l.ch.Store(ch)
	}
	return ch, err
}

// sends tells that a publish would not have to wait for the broker.
func (c *Conn) sends() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.lost && !c.blocked && !c.ended
}

func (c *Conn) hasEnded() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

func (ch *Channel) hasEnded() bool {
	ch.conn.mu.Lock()
	defer ch.conn.mu.Unlock()
	return ch.ended || ch.conn.ended
}

// Consumers is the connection for consumers, which the pool never publishes on;
// declare topology on it, too. The first call connects, and so does one after the
// connection has ended for good.
func (p *Pool) Consumers(ctx context.Context) (*Conn, error) {
	select {
	case <-p.consuming:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { p.consuming <- struct{}{} }()
	p.mu.Lock()
	c, closed := p.consumer, p.closed
	p.mu.Unlock()
	switch {
	case closed:
		return nil, ErrClosed
	case c != nil && !c.hasEnded():
		return c, nil
	}
	c, err := p.dial(ctx, "consuming")
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		c.drop()
		return nil, ErrClosed
	}
	p.consumer = c
	return c, nil
}

// Stats is the sum for the pool's connections.
func (p *Pool) Stats() (sum Stats) {
	for _, c := range p.all() {
		sum = sum.Add(c.Stats())
	}
	return sum
}

func (p *Pool) all() []*Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.consumer == nil {
		return p.conns
	}
	return append(p.conns[:len(p.conns):len(p.conns)], p.consumer)
}

// Close closes all connections, side by side, as Conn.Close does. The error has
// those of all of them.
func (p *Pool) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	conns := p.all()
	errs := make([]error, len(conns))
	var wg sync.WaitGroup
	for i, c := range conns {
		wg.Go(func() { errs[i] = c.Close(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
