package blocking

import (
	"math"
	"sync"
	"sync/atomic"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// outcome is what becomes of a publish that somebody waits for.
type outcome struct {
	err     error // until it is settled, on the loop: what an ack will mean
	settled atomic.Bool
	own     bool       // of the one goroutine that waits for it
	mu      sync.Mutex // for settled and done to agree
	done    chan struct{}
	kept    *kept     // with Recovery.Republish
	call    uint64    // number of a Caller's request; 0 for all others
	reply   *Delivery // to the request
}

// known is the done of all outcomes that were settled before anybody asked for it.
var known = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// await is closed when the outcome is settled. Who does not ask has none made: most
// handles are looked at once they are settled, or never.
func (o *outcome) await() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.done != nil:
	case o.settled.Load():
		o.done = known
	default:
		o.done = make(chan struct{})
	}
	return o.done
}

// ownOutcome returns an outcome of which only the goroutine that waits will know, so
// that it can be used again. Its done is sent to. They are the channel's, since a Go
// channel that was made in a bubble of testing/synctest must not be met in another.
func (ch *Channel) ownOutcome() *outcome {
	if o, ok := ch.owned.Get().(*outcome); ok {
		return o
	}
	return &outcome{own: true, done: make(chan struct{}, 1)}
}

// reuse takes back an own outcome that was settled, or never queued.
func (ch *Channel) reuse(o *outcome) {
	*o = outcome{own: true, done: o.done}
	ch.owned.Put(o)
}

// kept is a message that may have to be published again.
type kept struct {
	Publishing
	size int
}

// settle is told the outcome, once, by who will not touch o again: it may be free.
func (o *outcome) settle(err error) {
	o.err = err
	if o.own {
		o.done <- struct{}{}
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.settled.Store(true)
	if o.done != nil {
		close(o.done)
	}
}

// await waits, on the loop, for a confirm, or for the reply to a call.
func (ch *Channel) await(number uint64, o *outcome) {
	ch.pending.add(number, o)
	ch.conn.turn.waiting++
}

// take lets, on the loop, those leave that need not wait any more.
func (ch *Channel) take(first, last uint64, each func(*outcome)) {
	ch.pending.take(first, last, func(o *outcome) {
		ch.conn.turn.waiting--
		each(o)
	})
}

// keep keeps a copy of a message.
func (c *Conn) keep(o *op, bytes []byte) {
	props, body := o.props.of(bytes), o.payload(bytes)
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
func (ch *Channel) settle(o *outcome, err error) {
	if o.kept != nil {
		c := ch.conn
		c.mu.Lock()
		c.kept -= o.kept.size
		c.makeRoomIfEmptied()
		c.mu.Unlock()
		o.kept = nil
	}
	if ch.window != nil {
		<-ch.window // first, so that who sees the outcome finds the place free
	}
	o.settle(err)
}

// loseConfirms settles, or puts aside to be published again, what the broker will
// not confirm any more.
func (ch *Channel) loseConfirms(reason error) {
	resend := !refuses(reason, wire.BasicPublishID)
	var again []*outcome
	ch.take(0, math.MaxUint64, func(o *outcome) {
		if o.err = nil; o.kept != nil && resend {
			again = append(again, o)
		} else {
			ch.settle(o, because(ErrUnknownOutcome, reason))
		}
	})
	ch.again = append(again, ch.again...) // what a panic kept from being sent again
}

// republish sends a message that was kept.
func (ch *Channel) republish(o *outcome) {
	seq, err := ch.core.Publish(&o.kept.Publishing)
	ch.countPublish(seq, err)
	if err != nil {
		ch.settle(o, because(ErrUnknownOutcome, err)) // it was sent before
		return
	}
	ch.await(seq, o)
}

func (h *channelHandler) OnConfirm(_ *core.Channel, cf core.Confirm) {
	ch := (*Channel)(h)
	ch.countConfirm(cf)
	ch.take(cf.First, cf.Last, func(o *outcome) {
		if cf.Ack {
			ch.settle(o, o.err)
		} else {
			ch.settle(o, ErrNacked)
		}
	})
}

func (h *channelHandler) OnReturn(_ *core.Channel, r *core.Return) {
	h.conn.turn.stats.Returned++
	if h.replies {
		(*Channel)(h).unroutable(r)
		return
	}
	if o := h.pending.get(r.Seq); o != nil {
		o.err = &UnroutableError{r.Clone()}
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
