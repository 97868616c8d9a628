package blocking

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// outcome is what becomes of a publish that somebody waits for.
type outcome struct {
	done     chan struct{}
	err      error
	returned *Return // on the loop
	kept     *kept   // with Recovery.Republish
}

// kept is a message that may have to be published again.
type kept struct {
	Publishing
	size int
}

func (o *outcome) settle(err error) {
	o.err = err
	close(o.done)
}

// Publish sends a message. It returns as soon as the message has its place in
// the connection's order; p and all it refers to may be reused then. It waits,
// as long as ctx allows, while the broker has blocked the connection or
// MaxBuffered bytes wait to be sent.
//
// nil does not mean that the broker has the message: PublishConfirm tells that.
// Errors, none of which changes anything: ErrClosed, the context's, an
// *EncodeError or ErrFrameTooLarge for what does not fit the protocol.
func (ch *Channel) Publish(ctx context.Context, p *Publishing) error {
	p, done := ch.publishing(ctx, p)
	err := ch.publish(ctx, p, nil)
	done.run(err)
	return err
}

// PublishConfirm sends a message and waits until the broker has taken it. The
// first one turns the channel's confirms on. Besides the errors of Publish:
// ErrNacked, ErrUnroutable (an *UnroutableError with the message; only if p is
// Mandatory), ErrUnknownOutcome when channel or connection ended first. After
// the context's error the outcome is unknown, too.
//
// Many goroutines may wait at once; that is how to publish fast with confirms.
func (ch *Channel) PublishConfirm(ctx context.Context, p *Publishing) (err error) {
	p, done := ch.publishing(ctx, p)
	defer func() { done.run(err) }()
	o := &outcome{done: make(chan struct{})}
	if err := ch.publish(ctx, p, o); err != nil {
		return err
	}
	select {
	case <-o.done:
		return o.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// OnReturn has fn called with each mandatory message that the broker returns
// and that no PublishConfirm waits for, in the goroutine that also runs
// AddCallbackThreadsafe's callbacks. nil drops them, which is the default.
func (ch *Channel) OnReturn(fn func(*Return)) {
	ch.conn.mu.Lock()
	defer ch.conn.mu.Unlock()
	ch.onReturn = fn
}

// publish queues a message once there is room for it.
func (ch *Channel) publish(ctx context.Context, p *Publishing, o *outcome) error {
	c := ch.conn
	if err := checkNames(p); err != nil {
		return err
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		c.mu.Lock()
		if err := c.usable(ch); err != nil {
			c.mu.Unlock()
			return err
		}
		if room := ch.mustWait(); room != nil {
			c.mu.Unlock()
			c.awaitRoom(ctx, room)
			continue
		}
		first, err := ch.place(p, o)
		c.mu.Unlock()
		if first {
			c.notify()
		}
		return err
	}
}

// mustWait returns, under conn.mu, what is closed when publishing may be tried
// again; nil when there is no need to wait.
func (ch *Channel) mustWait() <-chan struct{} {
	c := ch.conn
	full := c.queue.size()+c.inCore+c.kept >= c.max
	if !full && !c.blocked && !ch.flowOff && !c.lost {
		return nil
	}
	c.full = c.full || full
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

// place copies the message into the queue, under conn.mu.
func (ch *Channel) place(p *Publishing, o *outcome) (first bool, err error) {
	c := ch.conn
	b := &c.queue
	from := len(b.bytes)
	bytes, err := appendProperties(b.bytes, p)
	if err != nil {
		return false, err
	}
	if n := len(bytes) - from; n > c.header {
		return false, fmt.Errorf("%w: properties of %d bytes, frame-max leaves %d", core.ErrFrameTooLarge, n, c.header)
	}
	props := span{from, len(bytes)}
	b.bytes = append(bytes, p.Body...)
	return c.push(op{
		kind: opPublish, ch: ch, flag: p.Mandatory, outcome: o,
		exchange: p.Exchange, key: p.RoutingKey,
		props: props, body: span{props.to, len(b.bytes)},
	}), nil
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
	if o.outcome != nil && !ch.confirming && ch.core.IsOpen() {
		if err := ch.core.ConfirmSelect(&wire.ConfirmSelect{}, nil); err == nil {
			ch.confirming = true
		}
	}
	p := &ch.conn.turn.publish
	*p = core.Publishing{
		Exchange: o.exchange, RoutingKey: o.key, Mandatory: o.flag,
		RawProperties: o.props.of(bytes), Body: o.body.of(bytes),
	}
	seq, err := ch.core.Publish(p)
	*p = core.Publishing{}
	ch.countPublish(seq, err)
	switch {
	case o.outcome == nil:
		// A channel that ended since is told by its Err.
	case err != nil:
		o.outcome.settle(err)
	default:
		if r := ch.conn.recovery; r != nil && r.Republish {
			ch.conn.keep(o, bytes)
		}
		ch.await(seq, o.outcome)
	}
}

// await waits, on the loop, for a confirm.
func (ch *Channel) await(seq uint64, o *outcome) {
	ch.confirms[seq] = o
	ch.conn.turn.waiting++
}

// keep keeps a copy of a message.
func (c *Conn) keep(o *op, bytes []byte) {
	props, body := o.props.of(bytes), o.body.of(bytes)
	both := append(append(make([]byte, 0, len(props)+len(body)), props...), body...)
	o.outcome.kept = &kept{size: len(both), Publishing: Publishing{
		Exchange: o.exchange, RoutingKey: o.key, Mandatory: o.flag,
		RawProperties: both[:len(props):len(props)], Body: both[len(props):],
	}}
	c.mu.Lock()
	c.kept += len(both)
	c.mu.Unlock()
}

// settle tells the outcome, and lets go of what was kept for it.
func (c *Conn) settle(o *outcome, err error) {
	if o.kept != nil {
		c.mu.Lock()
		c.kept -= o.kept.size
		if c.full && c.queue.size()+c.inCore+c.kept <= c.max/2 {
			c.full = false
			c.makeRoom()
		}
		c.mu.Unlock()
		o.kept = nil
	}
	o.settle(err)
}

// loseConfirms settles, or puts aside to be published again, what the broker will
// not confirm any more.
func (ch *Channel) loseConfirms(reason error) {
	for _, seq := range slices.Sorted(maps.Keys(ch.confirms)) {
		o := ch.confirms[seq]
		ch.conn.turn.waiting--
		if o.returned = nil; o.kept != nil {
			ch.again = append(ch.again, o)
		} else {
			o.settle(because(ErrUnknownOutcome, reason))
		}
	}
	clear(ch.confirms)
}

// republish sends a message that was kept.
func (ch *Channel) republish(o *outcome) {
	seq, err := ch.core.Publish(&o.kept.Publishing)
	ch.countPublish(seq, err)
	if err != nil {
		ch.conn.settle(o, err)
		return
	}
	ch.await(seq, o)
}

func (h *channelHandler) OnConfirm(_ *core.Channel, cf core.Confirm) {
	(*Channel)(h).countConfirm(cf)
	if cf.Last-cf.First < uint64(len(h.confirms)) {
		for seq := cf.First; seq <= cf.Last; seq++ {
			h.confirmed(seq, cf.Ack)
		}
		return
	}
	for seq := range h.confirms {
		if seq >= cf.First && seq <= cf.Last {
			h.confirmed(seq, cf.Ack)
		}
	}
}

func (h *channelHandler) confirmed(seq uint64, ack bool) {
	o := h.confirms[seq]
	if o == nil {
		return
	}
	delete(h.confirms, seq)
	h.conn.turn.waiting--
	switch {
	case !ack:
		h.conn.settle(o, ErrNacked)
	case o.returned != nil:
		h.conn.settle(o, &UnroutableError{o.returned})
	default:
		h.conn.settle(o, nil)
	}
}

func (h *channelHandler) OnReturn(_ *core.Channel, r *core.Return) {
	h.conn.turn.stats.Returned++
	if o := h.confirms[r.Seq]; o != nil {
		o.returned = r.Clone()
		return
	}
	h.conn.mu.Lock()
	fn := h.onReturn
	h.conn.mu.Unlock()
	if fn != nil {
		r = r.Clone()
		h.conn.dispatch.add(func() { fn(r) })
	}
}
