package blocking

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/adapters/stdnet"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// Conn is a connection to a broker. When it is lost it comes back by itself, as
// Recovery describes. All its methods may be called from any number of goroutines
// at once.
//
// RabbitMQ stops reading a connection that publishes while a resource alarm is
// on, and then does not see its acks either: let programs that do both publish
// on one connection and consume on another.
type Conn struct {
	loop     adapters.Loop
	ownLoop  bool      // nobody else uses loop
	params   Params    // of recovery; Mechanisms under mu
	recovery *Recovery // nil: a lost connection stays lost
	onEvent  func(Event)
	hooks    []Hooks
	log      *connLog
	max      int           // MaxBuffered
	patience time.Duration // WithRPCTimeout; 0: no limit
	dispatch dispatcher
	opened   chan struct{} // closed when it was open for the first time
	told     chan struct{} // closed when the hooks know; nil without any
	done     chan struct{} // closed when it has ended for good

	live       atomic.Pointer[driver.Conn] // the latest one
	stop       context.CancelFunc          // ends recovery
	stopped    context.Context             // which ends then
	publishers atomic.Int32                // that wait for room, or for the transport

	mu       sync.Mutex // everything below, and the same part of each Channel
	queue    batch
	inCore   int        // output that core has, or is about to have, and has not handed on
	kept     int        // bytes that are kept to be published again
	latest   *core.Conn // that was open
	header   int        // the largest properties that frame-max allows
	blocked  bool
	full     bool          // somebody waits for the output to get smaller
	ahead    bool          // somebody waits for the queue to be taken
	heavy    bool          // somebody with a large body waits for the output to be sent
	room     chan struct{} // closed when publishing may be tried again; nil when nobody waits
	lost     bool          // and not yet recovered
	lostErr  error         // why
	lostAt   time.Time
	backAt   time.Time     // when it was recovered
	flaps    int           // losses that came soon after that, in a row
	back     chan struct{} // closed when it is recovered
	closing  bool          // Close was called
	ended    bool
	err      error
	channels []*Channel        // that have not ended, in the order they were opened
	renamed  map[string]string // names of queues that the broker had chosen, to their new ones
	inboxes  map[*inbox]struct{}
	stats    Stats // but for the gauges that are elsewhere here

	turn loopState
}

// Dial connects to the broker at an AMQP URI, as driver.ParseURI describes it:
//
//	amqp://user:password@host:port,host2/vhost?heartbeat=30
//
// It tries every address of every host once, each within 15 seconds, until ctx ends;
// Params.Attempts, or attempts in the URI, has it try more often. The error is a
// *URIError, a *ConfigError or a *DialError, which has every attempt.
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
	s.recovery = &Recovery{}
	for _, opt := range opts {
		opt(&s)
	}
	if err := s.recovery.check(); err != nil {
		return nil, err
	}
	if s.patience < 0 {
		return nil, &ConfigError{Field: "RPC timeout", Value: s.patience, Want: "positive, or 0 for none"}
	}
	c := &Conn{
		max: s.params.Client.MaxBuffered, loop: s.loop, recovery: s.recovery, onEvent: s.onEvent, hooks: s.hooks, patience: s.patience,
		opened: make(chan struct{}), done: make(chan struct{}),
	}
	switch {
	case c.max == 0:
		c.max = core.DefaultMaxBuffered
	case c.max < 0:
		return nil, &ConfigError{Field: "MaxBuffered", Value: c.max, Want: "positive"}
	}
	if len(c.hooks) > 0 {
		c.told = make(chan struct{})
	}
	if c.loop == nil {
		c.loop, c.ownLoop = stdnet.New(), true
	}
	c.stopped, c.stop = context.WithCancel(context.Background())
	c.turn.full = make(map[*consumer]struct{})
	s.params.Client.MaxBuffered = core.Unbounded // bounded here, before a publish gets its place
	s.params.OnDrain = c.drain
	s.params.OnFlush = c.flushed
	c.params, c.log = s.params, newConnLog(s.logger, &s.params)
	c.params.Attempts = 1 // recovery counts by itself
	c.params.OnAttempt = both(s.params.OnAttempt, func(a driver.Attempt) { c.tell(AttemptFailed{a}) })
	s.params.OnAttempt = both(s.params.OnAttempt, c.log.attempt)
	d, err := c.connect(ctx, &s.params)
	if err != nil {
		return nil, err // not before Close
	}
	select {
	case <-c.opened:
	case <-d.Done():
		if c.isOpened() {
			break // and lost since; it is being recovered
		}
		c.stop()
		c.closeLoop()
		return nil, d.Err()
	}
	c.awaitHooks(ctx)
	if err := ctx.Err(); err != nil {
		c.drop()
		return nil, &DialError{Cause: err}
	}
	return c, nil
}

// awaitHooks waits until the hooks have been told that the connection is open, so that
// no call on it comes before.
func (c *Conn) awaitHooks(ctx context.Context) {
	if c.told == nil {
		return
	}
	select {
	case <-c.told:
	case <-ctx.Done():
	}
}

// both tells the user's func, if there is one, and ours.
func both(user, ours func(driver.Attempt)) func(driver.Attempt) {
	if user == nil {
		return ours
	}
	return func(a driver.Attempt) {
		user(a)
		ours(a)
	}
}

// connect begins to connect, unless Close was called. OnOpen finds the connection
// in live.
func (c *Conn) connect(ctx context.Context, p *Params) (*driver.Conn, error) {
	c.mu.Lock() // which OnOpen takes, too
	defer c.mu.Unlock()
	if c.closing {
		return nil, ErrClosed
	}
	d := driver.Open(ctx, c.loop, *p, (*connHandler)(c))
	c.live.Store(d)
	return d, nil
}

func (c *Conn) isOpened() bool {
	select {
	case <-c.opened:
		return true
	default:
		return false
	}
}

// drop ends the connection now.
func (c *Conn) drop() {
	d := c.beginClose()
	d.Abort()
	<-c.done
	<-d.Done()
	c.closeLoop()
}

// closeLoop ends a loop of our own.
func (c *Conn) closeLoop() {
	if c.ownLoop {
		c.loop.Close() // stdnet's never fails
		<-c.loop.Done()
	}
}

// closeGrace is how long a Close whose context has ended still waits: programs end
// by canceling a context, and what they acknowledged and published should leave.
const closeGrace = time.Second

// Close ends the connection with all its channels, after everything queued
// before has been sent, and waits for the broker's answer: for 5 seconds
// (CloseTimeout), or until ctx ends and a second more, so that a context that has
// ended already is no reason to lose acks and publishes. Then the connection is
// dropped, and the error says so. While the connection is lost there is nobody to
// wait for: the error is why it was lost. Closing twice is no error.
func (c *Conn) Close(ctx context.Context) error {
	d := c.beginClose()
	d.Close()
	err := c.awaitEnd(ctx)
	if err != nil {
		d.Abort()
		<-c.done
	} else {
		err = c.Err()
	}
	<-d.Done()
	c.closeLoop()
	return err
}

// awaitEnd waits for the end, for a little longer than ctx allows.
func (c *Conn) awaitEnd(ctx context.Context) error {
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
	}
	grace := time.NewTimer(closeGrace)
	defer grace.Stop()
	select {
	case <-c.done:
		return nil
	case <-grace.C:
		return ctx.Err()
	}
}

// beginClose keeps the connection from being recovered, and returns the latest one.
func (c *Conn) beginClose() *driver.Conn {
	c.mu.Lock()
	c.closing = true
	c.mu.Unlock()
	c.stop()
	return c.live.Load()
}

// Done is closed when the connection has ended for good: after Close, when it was
// lost and may not be recovered, when recovery has failed.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err is why the connection ended: nil before, and after an orderly Close.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// AddCallbackThreadsafe has fn run soon, after all that were added before, in a
// goroutine of the connection that runs one at a time. fn may wait and call
// anything; it holds up only the callbacks behind it. ErrClosed after the end.
func (c *Conn) AddCallbackThreadsafe(fn func()) error { return c.dispatch.add(fn) }

// CallLater is AddCallbackThreadsafe after a delay. When the connection ends
// before, fn does not run.
func (c *Conn) CallLater(delay time.Duration, fn func()) *Timer {
	return c.dispatch.later(delay, fn)
}

// LocalAddr is our address on the latest connection.
func (c *Conn) LocalAddr() net.Addr { return c.live.Load().LocalAddr() }

// RemoteAddr is the broker's address on the latest connection.
func (c *Conn) RemoteAddr() net.Addr { return c.live.Load().RemoteAddr() }

// IsBlocked tells that the broker has a resource alarm on and publishes wait.
func (c *Conn) IsBlocked() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.blocked
}

// enqueue gives an operation its place in the order. The first one of a batch
// wakes the connection's goroutine, which then runs all that are there.
func (c *Conn) enqueue(o op) error {
	first, err := c.put(o)
	if first {
		c.notify()
	}
	return err
}

// enqueueAwaited is enqueue by a goroutine that then waits for the reply.
func (c *Conn) enqueueAwaited(o op) error {
	first, err := c.put(o)
	if d := c.live.Load(); first && d != nil {
		d.NotifyHere()
	}
	return err
}

// put queues an operation and tells whether the connection must be woken.
func (c *Conn) put(o op) (first bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	err = c.usable(o.ch)
	if err == nil && o.kind > opPublish && o.epoch != o.ch.epoch.Load() {
		err = ErrStaleDelivery
	}
	if err == nil {
		first = c.push(o)
	}
	if c.lost {
		c.queue.prune() // or calls that are made and given up pile up until it is back
	}
	return first, err
}

// notify has what is queued run soon. While the connection is lost that is after
// its recovery.
func (c *Conn) notify() {
	if d := c.live.Load(); d != nil {
		d.Notify()
	}
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

// Channel opens a channel. It sends channel.open and does not wait for the answer,
// which saves a round trip: what is done on the channel follows on the wire, and a
// broker that refuses a channel ends the connection. Errors: ErrClosed, ErrNoChannel
// when all numbers are in use, a *ConfigError for an option, the context's.
func (c *Conn) Channel(ctx context.Context, opts ...ChannelOption) (*Channel, error) {
	ch := newChannel(c)
	if err := ch.configure(opts); err != nil {
		return nil, err
	}
	if err := ch.openFirst(ctx); err != nil {
		return nil, err
	}
	return ch, nil
}

// openFirst opens the channel for the first time and waits until it has a number.
func (ch *Channel) openFirst(ctx context.Context) error {
	w := newWaiter[wire.Method]()
	w.run = func(cc *core.Conn) error {
		err := ch.open(cc)
		w.settle(nil, err)
		return nil
	}
	return w.send(ctx, ch.conn, op{kind: opCall, call: &w.self})
}
