package blocking

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/adapters/stdnet"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// Conn is a connection to a broker. All its methods may be called from any
// number of goroutines at once.
//
// RabbitMQ stops reading a connection that publishes while a resource alarm is
// on, and then does not see its acks either: let programs that do both publish
// on one connection and consume on another.
type Conn struct {
	driver   *driver.Conn
	ownLoop  adapters.Loop // nil when the user named one
	max      int           // MaxBuffered
	dispatch dispatcher

	publishers atomic.Int32 // that wait for room

	mu      sync.Mutex // everything below, and the same part of each Channel
	queue   batch
	inCore  int // output that core has not handed on
	header  int // the largest properties that frame-max allows
	blocked bool
	full    bool          // somebody waits for the output to get smaller
	room    chan struct{} // closed when publishing may be tried again; nil when nobody waits
	ended   bool
	err     error

	loop loopState
}

// loopState belongs to the connection's goroutine.
type loopState struct {
	running batch // the batch that is being run, swapped with Conn.queue
	waiting int   // calls that wait for an answer of the broker
	full    map[*consumer]struct{}
	publish core.Publishing
}

// Option changes how Dial connects.
type Option func(*settings)

type settings struct {
	params Params
	loop   adapters.Loop
}

// WithLoop runs the connection on that loop, which must be running and stays
// the caller's to close. Default: a loop of its own on Go's net package
// (package stdnet).
func WithLoop(l adapters.Loop) Option { return func(s *settings) { s.loop = l } }

// WithParams lets f change the parameters that the URI gave: endpoints,
// credentials, limits, timeouts, retries, a dialler.
func WithParams(f func(*Params)) Option { return func(s *settings) { f(&s.params) } }

// WithName is shown for the connection by RabbitMQ's tools.
func WithName(name string) Option {
	return WithParams(func(p *Params) {
		p.Client.Properties = p.Client.Properties.Clone()
		if p.Client.Properties == nil {
			p.Client.Properties = Table{}
		}
		p.Client.Properties["connection_name"] = name
	})
}

// Dial connects to the broker at an AMQP URI, as driver.ParseURI describes it:
//
//	amqp://user:password@host:port,host2/vhost?heartbeat=30
//
// It tries every address of every host once unless told otherwise, each within
// 15 seconds, until ctx ends. The error is a *URIError, a *ConfigError
// or a *DialError, which has every attempt.
func Dial(ctx context.Context, uri string, opts ...Option) (*Conn, error) {
	params, err := driver.ParseURI(uri)
	if err != nil {
		return nil, err
	}
	return dial(ctx, settings{params: params}, opts)
}

// DialParams is Dial for parameters that do not come from a URI.
func DialParams(ctx context.Context, p Params, opts ...Option) (*Conn, error) {
	return dial(ctx, settings{params: p}, opts)
}

func dial(ctx context.Context, s settings, opts []Option) (*Conn, error) {
	for _, opt := range opts {
		opt(&s)
	}
	c := &Conn{max: s.params.Client.MaxBuffered}
	switch {
	case c.max == 0:
		c.max = core.DefaultMaxBuffered
	case c.max < 0:
		return nil, &ConfigError{Field: "MaxBuffered", Value: c.max, Want: "positive"}
	}
	if s.loop == nil {
		c.ownLoop = stdnet.New()
		s.loop = c.ownLoop
	}
	c.loop.full = make(map[*consumer]struct{})
	s.params.Client.MaxBuffered = core.Unbounded // bounded here, before a publish gets its place
	s.params.OnDrain = c.drain
	s.params.OnFlush = c.flushed
	var err error
	c.driver, err = driver.Dial(ctx, s.loop, s.params, (*connHandler)(c))
	if err != nil {
		if c.ownLoop != nil {
			c.ownLoop.Close()
			<-c.ownLoop.Done()
		}
		return nil, err
	}
	return c, nil
}

// Close ends the connection with all its channels, after everything queued
// before has been sent, and waits for the broker's answer. When ctx ends first,
// or after 5 seconds (CloseTimeout), the connection is dropped, and the error
// says so. Closing twice is no error.
func (c *Conn) Close(ctx context.Context) error {
	c.driver.Close()
	var err error
	select {
	case <-c.driver.Done():
		err = c.driver.Err()
	case <-ctx.Done():
		c.driver.Abort()
		<-c.driver.Done()
		err = ctx.Err()
	}
	if c.ownLoop != nil {
		c.ownLoop.Close()
		<-c.ownLoop.Done()
	}
	c.dispatch.stop()
	return err
}

// Done is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return c.driver.Done() }

// Err is why the connection ended: nil before, and after Close.
func (c *Conn) Err() error { return c.driver.Err() }

// AddCallbackThreadsafe has fn run soon, after all that were added before, in a
// goroutine of the connection that runs one at a time. fn may wait and call
// anything; it holds up only the callbacks behind it. ErrClosed after the end.
func (c *Conn) AddCallbackThreadsafe(fn func()) error { return c.dispatch.add(fn) }

// CallLater is AddCallbackThreadsafe after a delay. When the connection ends
// before, fn does not run.
func (c *Conn) CallLater(delay time.Duration, fn func()) *Timer {
	return c.dispatch.later(delay, fn)
}

// IsBlocked tells that the broker has a resource alarm on and publishes wait.
func (c *Conn) IsBlocked() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.blocked
}

// enqueue gives an operation its place in the order. The first one of a batch
// wakes the connection's goroutine, which then runs all that are there.
func (c *Conn) enqueue(o op) error {
	c.mu.Lock()
	err := c.usable(o.ch)
	first := false
	if err == nil {
		first = c.push(o)
	}
	c.mu.Unlock()
	if first {
		c.driver.Notify()
	}
	return err
}

// usable is, under mu, why nothing can be queued, if it cannot. ch may be nil.
func (c *Conn) usable(ch *Channel) error {
	switch {
	case ch != nil && ch.ended:
		return because(ErrClosed, ch.err)
	case c.ended:
		return because(ErrClosed, c.err)
	}
	return nil
}

// push appends under mu and tells whether the connection must be woken.
func (c *Conn) push(o op) bool {
	c.queue.ops = append(c.queue.ops, o)
	return len(c.queue.ops) == 1
}

// connHandler is the Conn as core sees it; its methods run on the loop.
type connHandler Conn

func (h *connHandler) OnOpen(c *core.Conn) {
	const headerFixed = wire.FrameOverhead + 12 // frame, class, weight, body size
	h.header = int(c.FrameMax()) - headerFixed
}

func (h *connHandler) OnWritable(*core.Conn) {}

func (h *connHandler) OnBlocked(_ *core.Conn, blocked bool, _ string) {
	c := (*Conn)(h)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.blocked = blocked
	c.makeRoom()
}

func (h *connHandler) OnClose(_ *core.Conn, err error) {
	c := (*Conn)(h)
	c.mu.Lock()
	c.ended, c.err = true, err
	left := c.queue
	c.queue = batch{}
	c.makeRoom()
	c.mu.Unlock()
	left.fail(because(ErrClosed, err))
	c.dispatch.stop()
}

// drain runs on the loop what was queued.
func (c *Conn) drain(cc *core.Conn, _ time.Time) {
	run := &c.loop.running
	c.mu.Lock()
	c.queue, *run = *run, c.queue
	c.mu.Unlock()
	for i := range run.ops {
		c.run(cc, &run.ops[i], run.bytes)
		run.ops[i] = op{}
	}
	run.reset()
}

// flushed runs on the loop after output was handed to the transport.
func (c *Conn) flushed(d *driver.Conn, cc *core.Conn, _ time.Time) {
	c.mu.Lock()
	c.inCore = cc.Buffered()
	if c.full && c.queue.size()+c.inCore <= c.max/2 {
		c.full = false
		c.makeRoom()
	}
	c.mu.Unlock()
	c.rest(d)
}

// rest decides, on the loop, whether to go on reading: not while an inbox is
// full, unless somebody waits for something that is behind what fills it: an
// answer, or the end of a resource alarm.
func (c *Conn) rest(d *driver.Conn) {
	for k := range c.loop.full {
		if !k.inbox.full() {
			delete(c.loop.full, k)
		}
	}
	if len(c.loop.full) > 0 && c.loop.waiting == 0 && c.publishers.Load() == 0 {
		d.Pause(driver.PauseInbox)
	} else {
		d.Resume(driver.PauseInbox)
	}
}

// Channel opens a channel. Errors: ErrClosed, ErrNoChannel when all
// numbers are in use, the context's.
func (c *Conn) Channel(ctx context.Context) (*Channel, error) {
	ch := newChannel(c)
	w := newWaiter[wire.Method]()
	err := w.send(ctx, c, op{kind: opCall, call: &callOp{w, func(cc *core.Conn) error {
		var err error
		ch.core, err = cc.OpenChannel((*channelHandler)(ch))
		w.settle(nil, err)
		return nil
	}}})
	if err != nil {
		return nil, err
	}
	return ch, nil
}
