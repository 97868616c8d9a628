package blocking

import (
	"context"
	"sync/atomic"

	"github.com/haypile/haypile/core"
)

// Delivery is a message from a queue. It is the receiver's: its memory is not
// reused, but for the body where Consume.ReuseBodies asks for that. Ack, Nack and
// Reject may be called from any goroutine.
type Delivery struct {
	ConsumerTag  string        // empty for Get
	DeliveryTag  uint64        // number of the delivery in its channel, from 1
	Exchange     string        // where it was published, empty for the default exchange
	RoutingKey   string        // as it was published
	MessageCount uint32        // Get only: messages left in the queue
	Redelivered  bool          // delivered before and not acknowledged
	Properties   RawProperties // read one by one, or all by Decode
	Body         []byte        // with Consume.ReuseBodies lent, and nil afterwards

	ctx     context.Context
	ch      *Channel
	epoch   uint32
	settled atomic.Bool
}

// newDelivery keeps what core lends, the body in memory that is reused unless that is
// nil.
func newDelivery(ch *Channel, d *core.Delivery, noAck bool, reused *bodies) *Delivery {
	k := &Delivery{
		ConsumerTag: d.ConsumerTag, DeliveryTag: d.DeliveryTag, Redelivered: d.Redelivered,
		Exchange: d.Exchange, RoutingKey: d.RoutingKey, MessageCount: d.MessageCount, ch: ch, epoch: ch.epoch.Load(),
	}
	if reused == nil {
		k.Properties, k.Body = d.TakeContent()
	} else {
		k.Properties, k.Body = append(RawProperties(nil), d.Properties...), reused.copyOf(d.Body)
	}
	k.settled.Store(noAck)
	if ch.merger != nil {
		ch.merger.delivered(d.DeliveryTag, noAck)
	}
	ch.countDelivery(noAck)
	return k
}

// Channel is the channel that the message came on, to which its ack belongs.
func (d *Delivery) Channel() *Channel { return d.ch }

// Ack tells the broker that the message has been dealt with. It returns at once.
// Errors: ErrSettled for a second one, ErrClosed when the channel has ended, and
// ErrStaleDelivery when its connection was lost, its channel opened again, or
// Channel.Recover called (the broker then delivers the message again).
func (d *Delivery) Ack() error { return d.settle(opAck, false) }

// Nack refuses the message: with requeue the broker delivers it again, else it
// is dropped or dead-lettered. Errors as Ack's.
func (d *Delivery) Nack(requeue bool) error { return d.settle(opNack, requeue) }

// Reject is Nack as AMQP 0-9-1 itself has it, for brokers without RabbitMQ's
// extension.
func (d *Delivery) Reject(requeue bool) error { return d.settle(opReject, requeue) }

func (d *Delivery) settle(kind opKind, requeue bool) error {
	if d.settled.Swap(true) {
		return ErrSettled
	}
	err := d.ch.conn.enqueue(op{kind: kind, ch: d.ch, epoch: d.epoch, tag: d.DeliveryTag, flag: requeue})
	if err != nil {
		d.settled.Store(false) // the broker has it back
	}
	return d.settling(kind, requeue, err)
}

// stale tells that the broker delivers the message again.
func (d *Delivery) stale() bool { return d.epoch != d.ch.epoch.Load() && !d.settled.Load() }

// runSettle settles a delivery on the loop. Where the channel has ended in the
// meantime, or Recover was sent, the broker has taken the message back already.
func (ch *Channel) runSettle(o *op) {
	if o.epoch != ch.epoch.Load() || ch.recovers > 0 {
		ch.tx.lost = ch.tx.selected // who made it thinks that it is a part of it
		return
	}
	ch.countSettled(o.kind, 1)
	ch.tx.begun = ch.tx.selected
	for _, k := range ch.consumers {
		k.place.settled(o.tag)
	}
	if ch.merger != nil && ch.merge(o) {
		return
	}
	switch o.kind {
	case opAck:
		ch.core.Ack(o.tag, false)
	case opNack:
		ch.core.Nack(o.tag, false, o.flag)
	case opReject:
		ch.core.Reject(o.tag, o.flag)
	}
}
