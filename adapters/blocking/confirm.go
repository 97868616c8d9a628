package blocking

import (
	"maps"
	"slices"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// outcome is what becomes of a publish that somebody waits for.
type outcome struct {
	done     chan struct{}
	err      error
	window   <-chan struct{} // with WithConfirmWindow: holds a place for it
	returned *Return         // on the loop
	kept     *kept           // with Recovery.Republish
	call     uint64          // number of a Caller's request; 0 for all others
	reply    *Delivery       // to the request
}

// kept is a message that may have to be published again.
type kept struct {
	Publishing
	size int
}

func (o *outcome) settle(err error) {
	o.err = err
	if o.window != nil {
		<-o.window // first, so that who sees the outcome finds the place free
	}
	close(o.done)
}

// await waits, on the loop, for a confirm, or for the reply to a call.
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
		c.makeRoomIfEmptied()
		c.mu.Unlock()
		o.kept = nil
	}
	o.settle(err)
}

// loseConfirms settles, or puts aside to be published again, what the broker will
// not confirm any more.
func (ch *Channel) loseConfirms(reason error) {
	resend := !refuses(reason, wire.BasicPublishID)
	for _, seq := range slices.Sorted(maps.Keys(ch.confirms)) {
		o := ch.confirms[seq]
		ch.conn.turn.waiting--
		if o.returned = nil; o.kept != nil && resend {
			ch.again = append(ch.again, o)
		} else {
			ch.conn.settle(o, because(ErrUnknownOutcome, reason))
		}
	}
	clear(ch.confirms)
}

// republish sends a message that was kept.
func (ch *Channel) republish(o *outcome) {
	seq, err := ch.core.Publish(&o.kept.Publishing)
	ch.countPublish(seq, err)
	if err != nil {
		ch.conn.settle(o, because(ErrUnknownOutcome, err)) // it was sent before
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
	if h.replies {
		(*Channel)(h).unroutable(r)
		return
	}
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
