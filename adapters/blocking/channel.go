package blocking

import (
	"context"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// Channel is a channel of a Conn. All its methods may be called from any number
// of goroutines at once; the calls of one goroutine keep their order.
type Channel struct {
	conn *Conn
	done chan struct{} // closed when the channel has ended

	// Under conn.mu.
	ended    bool
	err      error // why it ended
	flowOff  bool
	onReturn func(*Return)

	// On the loop.
	core       *core.Channel
	confirming bool
	confirms   map[uint64]*outcome
	consumers  map[*consumer]struct{}
	paused     bool
	stalled    []stalledOp
}

func newChannel(c *Conn) *Channel {
	return &Channel{
		conn: c, done: make(chan struct{}),
		confirms: make(map[uint64]*outcome), consumers: make(map[*consumer]struct{}),
	}
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
// this Close, or the context's error; closing twice is no error.
func (ch *Channel) Close(ctx context.Context) error {
	w := newWaiter[wire.Method]()
	err := w.send(ctx, ch.conn, op{kind: opCall, ch: ch, call: &callOp{w, func(*core.Conn) error {
		w.settle(nil, ch.core.Close(wire.ReplySuccess, "bye"))
		return nil
	}}})
	if ctx.Err() != nil {
		return err
	}
	select {
	case <-ch.done:
		return ch.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stalledOp is an operation that waits because the broker has switched the
// channel's flow off, or is behind one that does.
type stalledOp struct {
	op    op
	bytes []byte
}

// stalls puts the operation aside if the channel's flow, and its order, demand
// it. Publish waits for flow before it queues, so only what was queued at that
// moment ends here.
func (ch *Channel) stalls(o *op, bytes []byte) bool {
	if len(ch.stalled) == 0 && (o.kind != opPublish || !ch.paused) {
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
	if !active {
		return
	}
	stalled := ch.stalled
	ch.stalled = nil
	for i := range stalled {
		ch.conn.run(ch.core.Conn(), &stalled[i].op, stalled[i].bytes)
	}
}

func (h *channelHandler) OnCancel(_ *core.Channel, tag string) {
	for k := range h.consumers {
		if k.tag == tag {
			delete(h.consumers, k)
			k.inbox.end(ErrCanceled, true)
		}
	}
}

// OnClose ends everything that waits for the channel.
func (h *channelHandler) OnClose(_ *core.Channel, err error) {
	ch := (*Channel)(h)
	c := ch.conn
	c.mu.Lock()
	ch.ended = true
	if ch.err == nil {
		ch.err = err
	}
	reason := because(ErrClosed, ch.err)
	c.makeRoom()
	c.mu.Unlock()
	for seq, o := range ch.confirms {
		delete(ch.confirms, seq)
		c.loop.waiting--
		o.settle(because(ErrUnknownOutcome, reason))
	}
	for k := range ch.consumers {
		k.inbox.end(reason, false)
	}
	for i := range ch.stalled {
		ch.stalled[i].op.fail(reason)
	}
	ch.consumers, ch.stalled = nil, nil
	close(ch.done)
}
