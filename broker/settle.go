package broker

import (
	"time"

	"github.com/haypile/haypile/broker/internal/queue"
	"github.com/haypile/haypile/core/wire"
)

// settlement is what becomes of deliveries.
type settlement uint8

const (
	settleAck settlement = iota
	settleReject
	settleRequeue
)

func howRejected(requeue bool) settlement {
	if requeue {
		return settleRequeue
	}
	return settleReject
}

// owe notes a delivery that the client has to settle.
func (ch *channel) owe(d delivery) {
	b := ch.session.broker
	d.queue.unackedBytes += int64(len(d.entry.Message.Body))
	if limit := b.settings.ackTimeout; limit > 0 {
		d.at = b.clock.now()
		if ch.timeout.place == 0 {
			ch.timeout.ring = ch.ackTimedOut
			b.clock.set(&ch.timeout, d.at.Add(limit))
		}
	}
	ch.unacked.push(d)
}

// ackTimedOut looks whether the oldest delivery has waited for too long.
func (ch *channel) ackTimedOut(now time.Time) {
	b := ch.session.broker
	oldest := ch.unacked.oldest()
	if oldest == nil {
		return
	}
	limit := b.settings.ackTimeout
	if due := oldest.at.Add(limit); due.After(now) {
		b.clock.set(&ch.timeout, due)
		return
	}
	ch.fail(raise(wire.PreconditionFailed, "delivery acknowledgement on channel %d timed out. Timeout value used: %d ms. This timeout value can be configured, see consumers doc guide to learn more", ch.number, limit.Milliseconds()), 0)
}

// settle is basic.ack, basic.nack and basic.reject.
func (ch *channel) settle(tag uint64, multiple bool, how settlement) *exception {
	b := ch.session.broker
	all, ok := b.settled[:0], false
	if multiple {
		all, ok = ch.unacked.takeUntil(all, tag)
	} else {
		all, ok = ch.unacked.takeOne(all, tag)
	}
	if !ok {
		return raise(wire.PreconditionFailed, "unknown delivery tag %d", tag)
	}
	if ch.tx != nil {
		ch.tx.settle(all, how)
	} else {
		ch.conclude(all, how)
	}
	clear(all)
	b.settled = all[:0]
	return nil
}

// conclude settles deliveries for good.
func (ch *channel) conclude(all []delivery, how settlement) {
	for i := range all {
		d := &all[i]
		ch.release(d.consumer)
		d.leave()
		if how == settleAck {
			ch.session.broker.totals.Acked++
			ch.totals.Acked++
			d.queue.totals.Acked++
			d.queue.queue.Done(d.entry)
		} else if how == settleReject {
			d.queue.queue.Reject(d.entry)
		}
		d.queue.stir()
	}
	if how == settleRequeue {
		ch.giveBack(all)
	}
}

// leave is told of a delivery that is about to be settled.
func (d *delivery) leave() { d.queue.unackedBytes -= int64(len(d.entry.Message.Body)) }

// release makes room for one more delivery.
func (ch *channel) release(c *consumer) {
	if c == nil {
		return
	}
	ch.held--
	c.held--
	if c.prefetch > 0 && c.held == int(c.prefetch)-1 {
		c.wake()
	}
	if len(ch.refused) > 0 && (ch.limit == 0 || ch.held < int(ch.limit)) {
		ch.wakeRefused()
	}
}

// giveBack returns deliveries to their queues.
func (ch *channel) giveBack(all []delivery) {
	now := ch.session.broker.clock.now()
	entries := make(map[*mailbox][]*queue.Entry, 1)
	var queues []*mailbox // in the order in which they come up
	for i := range all {
		q := all[i].queue
		if entries[q] == nil {
			queues = append(queues, q)
		}
		entries[q] = append(entries[q], all[i].entry)
	}
	for _, q := range queues {
		q.queue.Return(entries[q], now)
		q.stir()
	}
}

// recover is basic.recover: all that is not settled goes back.
func (ch *channel) recover(requeue, answer bool) *exception {
	if !requeue {
		return raise(wire.NotImplemented, "requeue=false")
	}
	all, _ := ch.unacked.takeUntil(nil, 0)
	ch.conclude(all, settleRequeue)
	if answer {
		ch.send(&wire.BasicRecoverOk{})
	}
	return nil
}

// requeueAll gives everything back when the channel ends.
func (ch *channel) requeueAll() {
	all, _ := ch.unacked.takeUntil(nil, 0)
	for i := range all {
		all[i].leave()
	}
	ch.giveBack(all)
}
