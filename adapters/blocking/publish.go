package blocking

import (
	"context"
	"errors"
	"fmt"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// Publish sends a message. It returns as soon as the message has its place in
// the connection's order; p and all it refers to may be reused then. It waits,
// as long as ctx allows, while the connection is lost, while the broker has
// blocked it or switched the channel's flow off, and while MaxBuffered bytes wait
// to be sent: 256 KiB, if that is less, with a body of 16 KiB or more.
//
// A body of 256 KiB or more is sent from where it is, unless WithFailFast is set, so
// Publish waits until the transport has taken it. When ctx ends before, a message that
// has not begun is not sent; of one that has, what is left is copied and the error is
// nil, since it cannot be withdrawn. Nor is it an error when the connection is lost
// meanwhile.
//
// nil does not mean that the broker has the message: PublishConfirm tells that.
// Errors, none of which changes anything: ErrClosed, the context's, an
// *EncodeError or ErrFrameTooLarge for what does not fit the protocol, and
// ErrBackpressure with WithFailFast.
func (ch *Channel) Publish(ctx context.Context, p *Publishing) error {
	p, done := ch.publishing(ctx, p)
	err := ch.publish(ctx, p, nil)
	done.run(err)
	return err
}

// Why a publish must wait. With WithFailFast it is the publish's error.
var (
	errLost    = &withReason{ErrBackpressure, errConnectionLost}
	errBlocked = &withReason{ErrBackpressure, errors.New("the broker has a resource alarm on")}
	errAway    = &withReason{ErrBackpressure, errors.New("the channel is being opened again")}
	errFlowOff = &withReason{ErrBackpressure, errors.New("the broker has switched the channel's flow off")}
	errFull    = &withReason{ErrBackpressure, errors.New("as many bytes as MaxBuffered allows wait to be sent")}
)

// WithFailFast has publishes that would have to wait return ErrBackpressure at
// once, with nothing sent: for programs that have a better place for the message
// than a goroutine that waits.
func WithFailFast() ChannelOption { return func(s *channelSettings) { s.failFast = true } }

// OnReturn has fn called with each mandatory message that the broker returns and
// that was sent by Publish, which has no outcome to tell it, in the goroutine that
// also runs AddCallbackThreadsafe's callbacks. nil drops them, which is the default.
func (ch *Channel) OnReturn(fn func(*Return)) {
	ch.conn.mu.Lock()
	defer ch.conn.mu.Unlock()
	ch.onReturn = fn
}

// publish queues a message once it may be.
func (ch *Channel) publish(ctx context.Context, p *Publishing, o *outcome) error {
	if err := checkNames(p); err != nil {
		return err
	}
	if o == nil || ch.window == nil {
		return ch.queue(ctx, p, o)
	}
	if err := ch.enterWindow(ctx); err != nil {
		return err
	}
	err := ch.queue(ctx, p, o)
	if err != nil {
		<-ch.window // there will be no outcome to leave it
	}
	return err
}

// maxAhead is how many bytes publishers may queue before the connection's goroutine
// has taken any of them: enough for it to be busy, few enough for a processor's
// cache. What they wait for is that goroutine alone, never the broker.
const maxAhead = 128 << 10

// queue queues a message once there is room for it.
func (ch *Channel) queue(ctx context.Context, p *Publishing, o *outcome) error {
	c := ch.conn
	for {
		if err := ctx.Err(); err != nil {
			return c.whileLost(err)
		}
		c.mu.Lock()
		if err := c.usable(ch); err != nil {
			c.mu.Unlock()
			return err
		}
		if why := ch.mustWait(); why != nil {
			if ch.failFast {
				c.mu.Unlock()
				return why
			}
			room := c.roomLater(why)
			c.mu.Unlock()
			c.awaitRoom(ctx, room)
			continue
		}
		if !ch.failFast && c.outrun(len(p.Body)) {
			room := c.roomLater(nil)
			c.mu.Unlock()
			c.awaitRoom(ctx, room)
			continue
		}
		first, awaited, err := ch.place(p, o)
		if awaited != nil {
			c.publishers.Add(1)
			defer c.publishers.Add(-1)
		}
		c.mu.Unlock()
		if first {
			c.notify()
		}
		if awaited != nil {
			err = ch.awaitBack(ctx, awaited)
		}
		return err
	}
}

// mustWait is, under conn.mu, why a publish must wait; nil when it need not.
func (ch *Channel) mustWait() error {
	switch c := ch.conn; {
	case c.lost:
		return errLost
	case c.blocked:
		return errBlocked
	case ch.away:
		return errAway
	case ch.flowOff:
		return errFlowOff
	case c.held() >= c.max:
		return errFull
	}
	return nil
}

// outrun notes, under mu, that a message of n bytes should wait for those before it.
func (c *Conn) outrun(n int) bool {
	switch {
	case c.queue.size() >= maxAhead:
		c.ahead = true
	case n >= largeBody && c.output() >= maxOutput:
		c.heavy = true
	default:
		return false
	}
	return true
}

// output is, under mu, how many bytes wait to be sent.
func (c *Conn) output() int { return c.queue.size() + c.inCore }

// held is, under mu, how many bytes count against MaxBuffered.
func (c *Conn) held() int { return c.output() + c.kept }

// roomLater is, under mu, what is closed when publishing may be tried again.
func (c *Conn) roomLater(why error) <-chan struct{} {
	c.full = c.full || why == errFull
	if c.room == nil {
		c.room = make(chan struct{})
	}
	return c.room
}

// awaitRoom waits for room or the end of ctx. What makes room may be behind an
// inbox that is full, so the connection must know that somebody waits.
func (c *Conn) awaitRoom(ctx context.Context, room <-chan struct{}) {
	c.publishers.Add(1)
	defer c.publishers.Add(-1)
	c.notify()
	select {
	case <-room:
	case <-ctx.Done():
	}
}

// makeRoom lets, under mu, those who wait try again.
func (c *Conn) makeRoom() {
	if c.room != nil {
		close(c.room)
		c.room = nil
	}
}

// makeRoomIfEmptied is, under mu, for those who wait until enough of what is held
// has gone.
func (c *Conn) makeRoomIfEmptied() {
	if c.full && c.held() <= c.max/2 || c.heavy && c.output() <= maxOutput/2 {
		c.full, c.heavy = false, false
		c.makeRoom()
	}
}

// checkNames finds what core would refuse when nobody listens any more.
func checkNames(p *Publishing) error {
	if p == nil {
		return &ConfigError{Field: "publishing", Value: "nil", Want: "set"}
	}
	for _, s := range [...]struct{ name, value string }{{"exchange", p.Exchange}, {"routing-key", p.RoutingKey}} {
		if len(s.value) > 255 {
			return &EncodeError{Method: wire.BasicPublishID, Path: s.name, Reason: fmt.Sprintf("%d bytes long, the limit is 255", len(s.value))}
		}
	}
	return nil
}

// place puts the message into the queue, under conn.mu: a copy, but for a body that
// is awaited.
func (ch *Channel) place(p *Publishing, o *outcome) (first bool, awaited *lending, err error) {
	c := ch.conn
	b := &c.queue
	from := len(b.bytes)
	bytes, err := appendProperties(b.bytes, p)
	if err != nil {
		return false, nil, err
	}
	if n := len(bytes) - from; n > c.header {
		return false, nil, fmt.Errorf("%w: properties of %d bytes, frame-max leaves %d", core.ErrFrameTooLarge, n, c.header)
	}
	publish := op{
		kind: opPublish, ch: ch, flag: p.Mandatory, outcome: o,
		exchange: p.Exchange, key: p.RoutingKey, props: span{from, len(bytes)},
	}
	switch size := len(p.Body); {
	case size < largeBody:
		bytes = append(bytes, p.Body...)
		publish.body = span{publish.props.to, len(bytes)}
	case size < hugeBody || ch.failFast: // which waits for nobody
		publish.lent = lend(p.Body)
		b.lent += size
	default:
		awaited = ch.borrow(p.Body)
		publish.lent = awaited
		b.lent += size
	}
	b.bytes = bytes
	return c.push(publish), awaited, nil
}

func appendProperties(dst []byte, p *Publishing) ([]byte, error) {
	if p.Properties == nil {
		return append(dst, p.RawProperties...), p.RawProperties.Check()
	}
	if p.RawProperties != nil {
		return nil, &ConfigError{Field: "RawProperties", Value: "set", Want: "nil when Properties is set"}
	}
	return p.Properties.AppendTo(dst)
}

// runPublish publishes on the loop.
func (ch *Channel) runPublish(o *op, bytes []byte) {
	if o.lent != nil && !o.lent.take() {
		return
	}
	if o.outcome != nil && o.outcome.call == 0 && !ch.confirming && ch.core.IsOpen() {
		if err := ch.core.ConfirmSelect(&wire.ConfirmSelect{}, nil); err == nil {
			ch.confirming = true
		}
	}
	p := &ch.conn.turn.publish
	*p = core.Publishing{
		Exchange: o.exchange, RoutingKey: o.key, Mandatory: o.flag,
		RawProperties: o.props.of(bytes), Body: o.payload(bytes),
	}
	seq, err := ch.publishOrLend(p, o.lent)
	*p = core.Publishing{}
	ch.countPublish(seq, err)
	ch.tx.begun = ch.tx.selected
	switch {
	case o.outcome == nil:
		// A channel that ended since is told by its Err.
	case err != nil:
		ch.settle(o.outcome, err)
	case o.outcome.call != 0:
		ch.await(o.outcome.call, o.outcome)
	default:
		if r := ch.conn.recovery; r != nil && r.Republish {
			ch.conn.keep(o, bytes)
		}
		ch.await(seq, o.outcome)
	}
}
