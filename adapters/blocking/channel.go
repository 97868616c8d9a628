package blocking

import (
	"context"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// Channel is a channel of a Conn. All its methods may be called from any number
// of goroutines at once; the calls of one goroutine keep their order.
//
// When its connection is recovered it is opened again, perhaps under another number
// than before: the one that errors (Error.Channel) and the broker's tools show.
type Channel struct {
	conn     *Conn
	done     chan struct{} // closed when the channel has ended
	window   chan struct{} // with WithConfirmWindow: holds one for each publish that waits for its outcome
	failFast bool
	once     bool                    // it is not opened again when the broker closes it
	owned    sync.Pool               // of outcomes, for ownOutcome
	spare    atomic.Pointer[lending] // for borrow

	// Under conn.mu.
	ended    bool
	err      error // why it ended
	flowOff  bool
	away     bool // it is being opened again
	onReturn func(*Return)

	// epoch counts the channel's openings, since the deliveries of one can't be
	// settled on another.
	epoch atomic.Uint32

	// On the loop.
	core        *core.Channel
	leaving     bool // Close was called
	closing     bool // and waits for the broker
	qos, qosAll wire.BasicQos
	confirming  bool
	tx          transaction
	lastQueue   string // declared last, what an empty name stands for
	declared    bool   // a queue, since the channel was opened
	pending     pending
	replies     bool    // it is a Caller's
	merger      *merger // with WithMergedAcks
	consumers   []*consumer
	recovers    int // that the broker has not answered
	paused      bool
	stalled     []stalledOp
	again       []*outcome // to be published again when it is reopened
	reopening   *reopening // under way
	flaps       int        // closings by the broker that came soon after one another
	closedAt    time.Time  // the latest of them
	unconfirmed int        // its part of Stats
	unsettled   int
}

// ChannelOption changes how a channel behaves, for Conn.Channel.
type ChannelOption func(*channelSettings)

type channelSettings struct {
	window    int
	failFast  bool
	mergeAcks bool
}

func newChannel(c *Conn) *Channel {
	return &Channel{conn: c, done: make(chan struct{})}
}

// configure is for a channel that nobody has seen yet.
func (ch *Channel) configure(opts []ChannelOption) error {
	var s channelSettings
	for _, opt := range opts {
		opt(&s)
	}
	if s.window < 0 {
		return &ConfigError{Field: "confirm window", Value: s.window, Want: "positive, or 0 for no limit"}
	}
	if s.window > 0 {
		ch.window = make(chan struct{}, s.window)
	}
	if s.mergeAcks {
		ch.merger = &merger{}
	}
	ch.failFast = s.failFast
	return nil
}

// open opens the channel for the first time.
func (ch *Channel) open(cc *core.Conn) (err error) {
	if ch.core, err = cc.OpenChannel((*channelHandler)(ch)); err != nil {
		return err
	}
	ch.conn.mu.Lock()
	defer ch.conn.mu.Unlock()
	ch.conn.channels = append(ch.conn.channels, ch)
	return nil
}

// Done is closed when the channel has ended, also with its connection.
func (ch *Channel) Done() <-chan struct{} { return ch.done }

// Err is why the channel ended: nil before, and after an orderly Close of the
// channel or the connection.
func (ch *Channel) Err() error {
	ch.conn.mu.Lock()
	defer ch.conn.mu.Unlock()
	return ch.err
}

// Close closes the channel and waits for the broker's answer. Requests made
// before are answered first. It returns why the channel ended, if that was not
// this Close, or the context's error: the channel is then closed as soon as can be,
// also when the context had ended before. While the connection is lost, that is when
// it is back. Closing twice is no error.
func (ch *Channel) Close(ctx context.Context) error {
	w := newWaiter[wire.Method]() // nobody waits there, so nobody can give up
	w.run = func(*core.Conn) error {
		ch.leaving = true
		err := ch.core.Close(wire.ReplySuccess, "bye")
		if err == nil && !ch.closing {
			ch.closing = true
			ch.conn.turn.waiting++
		}
		w.settle(nil, err)
		return nil
	}
	_ = ch.conn.enqueue(op{kind: opCall, ch: ch, call: &w.self}) // an error means that the channel has ended
	ch.hurry()
	select {
	case <-ch.done:
	case <-ctx.Done():
		select {
		case <-ch.done:
		default:
			return ctx.Err()
		}
	}
	return ch.Err()
}

// stalledOp is an operation that waits because the broker has switched the
// channel's flow off, or because the channel is being opened again, or is behind
// one that does.
type stalledOp struct {
	op    op
	bytes []byte
}

// stalls puts the operation aside if the channel's state, and its order, demand
// it. Publish waits for that before it queues, so of messages only what was queued
// at that moment ends here.
func (ch *Channel) stalls(o *op, bytes []byte) bool {
	if len(ch.stalled) == 0 && ch.reopening == nil && (o.kind != opPublish || !ch.paused) {
		return false
	}
	s := stalledOp{op: *o}
	s.bytes = append(s.bytes, o.props.of(bytes)...)
	s.op.props = span{0, len(s.bytes)}
	s.bytes = append(s.bytes, o.body.of(bytes)...)
	s.op.body = span{s.op.props.to, len(s.bytes)}
	ch.stalled = append(ch.stalled, s)
	return true
}

// channelHandler is the Channel as core sees it; its methods run on the loop.
type channelHandler Channel

func (h *channelHandler) OnFlow(_ *core.Channel, active bool) {
	ch := (*Channel)(h)
	ch.paused = !active
	ch.conn.mu.Lock()
	ch.flowOff = !active
	ch.conn.makeRoom()
	ch.conn.mu.Unlock()
	if active {
		ch.runStalled()
	}
}

// runStalled does what was put aside. Panics are as in runBatch.
func (ch *Channel) runStalled() {
	left := ch.stalled
	ch.stalled = nil
	defer func() {
		if len(left) > 0 {
			left[0].op.fail(ErrUnknownOutcome)
			ch.stalled = append(ch.stalled, left[1:]...)
		}
	}()
	for len(left) > 0 {
		ch.conn.run(ch.core.Conn(), &left[0].op, left[0].bytes)
		left = left[1:]
	}
	ch.conn.endMerging()
}

func (h *channelHandler) OnCancel(_ *core.Channel, tag string) {
	for _, k := range slices.Clone(h.consumers) {
		if k.tag == tag {
			k.remove()
			k.inbox.end(ErrCanceled, true)
		}
	}
}

// OnClose ends the channel, unless it will be opened again.
func (h *channelHandler) OnClose(cc *core.Channel, err error) {
	ch := (*Channel)(h)
	c := ch.conn
	switch conn := cc.Conn(); {
	case conn.State() == core.StateClosed && !ch.leaving && c.decide(conn) == fateLost:
		ch.suspend(conn.Err())
		ch.reopening = nil
	case !conn.IsOpen():
		ch.end(err)
	case ch.reopening != nil:
		ch.reopening.closed(conn, err)
	default:
		ch.closed(conn, err, func() {})
	}
}

// suspend ends what was under way, and keeps what is to be made again.
func (ch *Channel) suspend(reason error) {
	c := ch.conn
	ch.epoch.Add(1)
	c.mu.Lock()
	ch.flowOff = false
	c.mu.Unlock()
	ch.paused, ch.declared = false, false
	ch.countGone()
	ch.loseConfirms(reason)
	ch.recovers = 0
	ch.tx.lose()
	if ch.merger != nil {
		*ch.merger = merger{}
	}
	for _, k := range ch.consumers {
		k.tag = ""
		k.lose()
	}
}

// end ends the channel for good, and everything that waits for it.
func (ch *Channel) end(err error) {
	c := ch.conn
	ch.epoch.Add(1)
	c.mu.Lock()
	ch.ended = true
	if ch.err == nil {
		ch.err = err
	}
	err = ch.err
	reason := because(ErrClosed, err)
	c.channels = slices.DeleteFunc(c.channels, func(other *Channel) bool { return other == ch })
	c.makeRoom()
	c.mu.Unlock()
	if err != nil && c.turn.core.IsOpen() {
		c.tell(ChannelFailed{ch, err})
	}
	ch.countGone()
	if ch.closing {
		ch.closing = false
		c.turn.waiting--
	}
	unknown := because(ErrUnknownOutcome, reason)
	ch.take(0, math.MaxUint64, func(o *outcome) { ch.settle(o, unknown) })
	for _, o := range ch.again {
		ch.settle(o, unknown)
	}
	ch.reopening = nil
	for _, k := range ch.consumers {
		k.inbox.end(reason, false)
		c.lacks(k)
		k.began(nil, reason)
	}
	for i := range ch.stalled {
		ch.stalled[i].op.fail(reason)
	}
	gone := ch.consumers
	ch.consumers, ch.stalled, ch.again = nil, nil, nil
	for _, k := range gone {
		k.forgetQueue()
	}
	close(ch.done)
}
