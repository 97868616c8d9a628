package blocking

import (
	"errors"
	"slices"
	"time"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// reopening opens a channel again as it was: its modes, then its consumers one by
// one, so that a refusal is about one of them, then what is to be published again.
// What the program asks of the channel meanwhile waits behind that. It runs on the
// loop.
type reopening struct {
	ch     *Channel
	paused bool        // it has not begun
	todo   []*consumer // to be started
	asked  *consumer   // that the broker has not answered
	held   int         // refusals because the lost connection has the consumer
	over   func()      // when the channel is as it was, or has ended
}

// reopen opens the channel again after a pause, which is none for n = 0.
func (ch *Channel) reopen(cc *core.Conn, n int, over func()) {
	r := &reopening{ch: ch, over: over}
	ch.reopening = r
	ch.setAway(true)
	if n == 0 {
		r.open(cc)
		return
	}
	r.pause(cc, n)
}

func (r *reopening) pause(cc *core.Conn, n int) {
	r.paused = true
	r.ch.conn.after(n, func() { r.endPause(cc) })
}

func (r *reopening) endPause(cc *core.Conn) {
	if r.ch.reopening == r && r.paused && cc.IsOpen() {
		r.open(cc)
	}
}

// hurry ends a pause before the channel is opened again, for a program that is
// done with it.
func (ch *Channel) hurry() {
	_ = ch.conn.live.Load().AddCallbackThreadsafe(func(cc *core.Conn) {
		if r := ch.reopening; r != nil {
			r.endPause(cc)
		}
	}) // an error: the connection has ended, and the pause with it
}

// setAway tells callers that the channel is being opened again, or no more.
func (ch *Channel) setAway(away bool) {
	ch.conn.mu.Lock()
	defer ch.conn.mu.Unlock()
	ch.away = away
	ch.conn.makeRoom()
}

func (ch *Channel) isAway() bool {
	ch.conn.mu.Lock()
	defer ch.conn.mu.Unlock()
	return ch.away || ch.conn.lost
}

// open makes again what went with the channel, then the channel.
func (r *reopening) open(cc *core.Conn) {
	r.paused = false
	queues := r.ch.autoDeleted()
	if len(queues) == 0 || r.ch.conn.turn.replay != nil {
		r.openChannel(cc)
		return
	}
	r.ch.conn.redeclare(cc, r.ch.conn.turn.record.goingWith(queues), func() {
		if r.ch.reopening == r {
			r.openChannel(cc)
		}
	})
}

// autoDeleted are the queues that the broker may have deleted with the channel's
// consumers.
func (ch *Channel) autoDeleted() (queues []string) {
	for _, k := range ch.consumers {
		if ch.conn.turn.record.autoDeletes(EntityQueue, k.request.Queue) {
			queues = append(queues, k.request.Queue)
		}
	}
	return queues
}

func (r *reopening) openChannel(cc *core.Conn) {
	ch := r.ch
	opened, err := cc.OpenChannel((*channelHandler)(ch))
	if err != nil {
		if cc.IsOpen() {
			ch.end(err)
			r.over()
		}
		return // lost again
	}
	ch.core = opened
	ch.restoreModes()
	r.todo = slices.Clone(ch.consumers)
	r.next()
}

// restoreModes puts a reopened channel into the modes that it was in. What the
// broker refuses it refuses by closing the channel.
func (ch *Channel) restoreModes() {
	for _, m := range []wire.BasicQos{ch.qos, ch.qosAll} {
		if m != (wire.BasicQos{}) {
			_ = ch.core.Qos(&m, nil)
		}
	}
	if ch.confirming {
		_ = ch.core.ConfirmSelect(&wire.ConfirmSelect{}, nil)
	}
	if ch.tx.selected {
		_ = ch.core.TxSelect(&wire.TxSelect{}, nil)
	}
}

// next starts the next consumer; after the last, the channel is as it was.
func (r *reopening) next() {
	for len(r.todo) > 0 {
		k := r.todo[0]
		r.todo = r.todo[1:]
		err := k.ask(func(ok *wire.BasicConsumeOk, err error) {
			if err == nil {
				r.asked = nil
				k.began(ok, nil)
				r.next()
			} // else the channel has been closed, which is told next
		})
		if err == nil {
			r.asked = k
			return
		}
		k.failed(err)
	}
	r.finish()
}

// failed ends a consumer that could not be started again.
func (k *consumer) failed(err error) {
	k.remove()
	k.inbox.end(err, false)
	k.began(nil, err)
	k.ch.conn.tell(EntityFailed{Entity{Kind: EntityConsumer, Name: k.request.Queue}, err})
}

// closed is told that the channel was closed while it was made again. A refused
// consumer does not keep it from the others.
func (r *reopening) closed(cc *core.Conn, err error) {
	ch, k := r.ch, r.asked
	if k == nil || !refuses(err, wire.BasicConsumeID) {
		ch.reopening = nil
		ch.closed(cc, err, r.over)
		return
	}
	r.asked = nil
	if r.held < maxHeld && k.request.Exclusive && ch.conn.turn.replay != nil && errors.Is(err, wire.AccessRefused) {
		r.held++
		ch.suspend(err)
		r.pause(cc, r.held)
		return
	}
	k.failed(err)
	if ch.replies { // it is of no use without its consumer
		ch.end(err)
		r.over()
		return
	}
	ch.suspend(err)
	r.open(cc)
}

func (r *reopening) finish() {
	ch := r.ch
	ch.reopening = nil
	for len(ch.again) > 0 {
		ch.republish(ch.again[0])
		ch.again = ch.again[1:] // not before: it is the next connection's after a panic
	}
	ch.again = nil
	ch.setAway(false)
	r.over()
	if ch.conn.turn.replay == nil {
		ch.runStalled()
	}
}

// closed is told of a channel that has been closed, while its connection lives. It
// is opened again if that is wanted, and was not the caller's own wish.
func (ch *Channel) closed(cc *core.Conn, err error, over func()) {
	if !ch.reopens(err) {
		ch.end(err)
		over()
		return
	}
	now := time.Now()
	if ch.flaps++; ch.closedAt.IsZero() || now.Sub(ch.closedAt) > stable {
		ch.flaps = 0
	}
	ch.closedAt = now
	ch.suspend(err)
	ch.reopen(cc, max(0, ch.flaps-1), func() {
		if !ch.hasEnded() {
			ch.conn.tell(ChannelReopened{ch, err})
		}
		over()
	})
}

// reopens tells whether the channel is to be opened again. A Caller's always is,
// once it works: those who share it know nothing of each other.
func (ch *Channel) reopens(err error) bool {
	var e *Error
	wanted := ch.replies && len(ch.consumers) > 0 || ch.conn.recovery != nil && ch.conn.recovery.ReopenChannels
	return wanted && !ch.once && !ch.leaving && errors.As(err, &e) && e.Remote
}

// refuses tells that the broker closed the channel or the connection over the
// method. For a channel, that is also what not to say over which one means.
func refuses(err error, method wire.MethodID) bool {
	var e *Error
	return errors.As(err, &e) && e.Remote && (e.Method == method || e.Method == 0 && e.Channel != 0)
}
