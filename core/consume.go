package core

import (
	"fmt"

	"github.com/haypile/haypile/core/wire"
)

// consumer is whom the deliveries with one tag go to.
type consumer struct {
	tag    string
	on     func(*Delivery)
	stream StreamHandler // instead of on
}

// consumers of a channel by tag. Most channels have one, and deliveries come in
// runs, so the last one used is looked at first.
type consumers struct {
	last  *consumer
	byTag map[string]*consumer // nil as long as last is all there is
}

func (cs *consumers) get(tag string) *consumer {
	if cs.last != nil && cs.last.tag == tag {
		return cs.last
	}
	k := cs.byTag[tag]
	if k != nil {
		cs.last = k
	}
	return k
}

func (cs *consumers) put(k *consumer) {
	switch {
	case cs.byTag != nil:
		cs.byTag[k.tag] = k
	case cs.last != nil && cs.last.tag != k.tag:
		cs.byTag = map[string]*consumer{cs.last.tag: cs.last, k.tag: k}
	}
	cs.last = k
}

// remove forgets the consumer, unless its tag has gone to another.
func (cs *consumers) remove(k *consumer) {
	if k == nil || cs.get(k.tag) != k {
		return
	}
	delete(cs.byTag, k.tag)
	if cs.last == k {
		cs.last = nil
	}
}

// Consume starts a consumer (AMQP 0-9-1 section 1.8.3.3). Each message goes to
// on, with the rules of Delivery for its memory; ack it by its DeliveryTag
// unless NoAck is set. An empty ConsumerTag lets the broker choose one, which
// the reply then has, and needs a reply (no NoWait). Deliveries never come
// before the consumer exists, and may come before done runs.
//
// Errors besides those of Call: a *ConfigError when the tag is in use on this
// channel or on is nil.
func (ch *Channel) Consume(req *wire.BasicConsume, on func(*Delivery), done func(*wire.BasicConsumeOk, error)) error {
	if on == nil {
		return &ConfigError{"callback", "nil", "set"}
	}
	return ch.consume(req, consumer{on: on}, done)
}

// consume starts the consumer, whose tag is still to be set.
func (ch *Channel) consume(req *wire.BasicConsume, k consumer, done func(*wire.BasicConsumeOk, error)) error {
	if req == nil {
		return &ConfigError{"request", "nil", "set"}
	}
	if req.ConsumerTag == "" && req.NoWait {
		return &ConfigError{"ConsumerTag", "empty", "set with NoWait, which has no reply to tell it"}
	}
	if req.ConsumerTag != "" && ch.consumers.get(req.ConsumerTag) != nil {
		return &ConfigError{"ConsumerTag", fmt.Sprintf("%q", req.ConsumerTag), "unused on the channel"}
	}
	p := pending{want: wire.BasicConsumeOkID}
	if done != nil {
		p.done = told[*wire.BasicConsumeOk](done)
	}
	if req.ConsumerTag == "" {
		p.consumed = func(tag string) *consumer { k.tag = tag; return &k }
	}
	if err := ch.request(req, p); err != nil {
		return err
	}
	if req.ConsumerTag != "" {
		k.tag = req.ConsumerTag
		ch.consumers.put(&k)
	}
	return nil
}

// Get fetches one message (section 1.8.3.10). done gets nil for an empty queue;
// a delivery has its MessageCount set and is valid until done returns. Any
// number of Gets may be on their way. done must not be nil. Errors as Call's.
func (ch *Channel) Get(req *wire.BasicGet, done func(*Delivery, error)) error {
	if req == nil || done == nil {
		return &ConfigError{"request or callback", "nil", "set"}
	}
	return ch.request(req, pending{want: wire.BasicGetOkID, got: done})
}

// Ack acknowledges a delivery, with multiple all up to it; tag 0 with multiple
// means all so far (section 1.8.3.13). The broker closes the channel with 406
// when the tag is unknown or was settled before. Errors: ErrClosed, a
// *ConfigError for tag 0 alone.
func (ch *Channel) Ack(tag uint64, multiple bool) error {
	m := &ch.conn.desk().ack
	*m = wire.BasicAck{DeliveryTag: tag, Multiple: multiple}
	return ch.sendSettle(tag, multiple, m)
}

// Nack refuses a delivery, with multiple all up to it. With requeue the broker
// delivers it again, else it is dropped or dead-lettered.
// https://www.rabbitmq.com/docs/nack. Errors as Ack's.
func (ch *Channel) Nack(tag uint64, multiple, requeue bool) error {
	m := &ch.conn.desk().nack
	*m = wire.BasicNack{DeliveryTag: tag, Multiple: multiple, Requeue: requeue}
	return ch.sendSettle(tag, multiple, m)
}

// Reject refuses one delivery, as Nack does (section 1.8.3.14).
func (ch *Channel) Reject(tag uint64, requeue bool) error {
	m := &ch.conn.desk().reject
	*m = wire.BasicReject{DeliveryTag: tag, Requeue: requeue}
	return ch.sendSettle(tag, false, m)
}

func (ch *Channel) sendSettle(tag uint64, multiple bool, m wire.Method) error {
	if err := ch.requests(); err != nil {
		return err
	}
	if tag == 0 && !multiple {
		return &ConfigError{"delivery tag", 0, "at least 1"}
	}
	if ch.conn.serial != nil {
		return ch.conn.sendUser(ch, ch.number, m, heldPlain, pending{})
	}
	return ch.conn.send(ch.number, m)
}

// onDeliver begins a delivery to a consumer.
func (ch *Channel) onDeliver(args []byte) error {
	in := ch.expect(wire.BasicDeliverID)
	m := &in.deliver
	if err := ch.conn.in.interning().Method(args, m); err != nil {
		return err
	}
	in.consumer = ch.consumers.get(m.ConsumerTag)
	if in.consumer == nil {
		return ch.fail(&offence{code: wire.NotFound, text: fmt.Sprintf("delivery to the unknown consumer %q", m.ConsumerTag)})
	}
	in.delivery = Delivery{
		Channel: ch, ConsumerTag: m.ConsumerTag, DeliveryTag: m.DeliveryTag, Redelivered: m.Redelivered,
		Exchange: m.Exchange, RoutingKey: m.RoutingKey,
	}
	return nil
}

// onGetOk begins the reply to a Get, which is settled when the body is whole.
func (ch *Channel) onGetOk(args []byte) error {
	if _, err := ch.find(wire.BasicGetOkID, ""); err != nil {
		return err
	}
	in := ch.expect(wire.BasicGetOkID)
	var m wire.BasicGetOk
	if err := ch.conn.in.interning().Method(args, &m); err != nil {
		return err
	}
	in.delivery = Delivery{
		Channel: ch, DeliveryTag: m.DeliveryTag, Redelivered: m.Redelivered,
		Exchange: m.Exchange, RoutingKey: m.RoutingKey, MessageCount: m.MessageCount,
	}
	return nil
}

func (ch *Channel) onGetEmpty() error {
	i, err := ch.find(wire.BasicGetOkID, "")
	if err != nil {
		return err
	}
	p := ch.take(i)
	p.got(nil, nil)
	return nil
}

// onDelivered hands over a whole message.
func (ch *Channel) onDelivered(method wire.MethodID, m *content) {
	if method == wire.BasicGetOkID {
		i, _ := ch.find(wire.BasicGetOkID, "") // onGetOk found it, and no reply comes inside content
		p := ch.take(i)
		p.got(&m.delivery, nil)
		return
	}
	m.consumer.on(&m.delivery)
}

// onBasicCancel: the broker ended a consumer.
// https://www.rabbitmq.com/docs/consumer-cancel
func (ch *Channel) onBasicCancel(args []byte) error {
	var m wire.BasicCancel
	if err := ch.conn.in.plain().Method(args, &m); err != nil {
		return err
	}
	k := ch.consumers.get(m.ConsumerTag)
	ch.consumers.remove(k)
	if !m.NoWait {
		if err := ch.conn.answer(ch.number, &wire.BasicCancelOk{ConsumerTag: m.ConsumerTag}); err != nil {
			return err
		}
	}
	if k != nil {
		ch.handler.OnCancel(ch, m.ConsumerTag)
	}
	return nil
}
