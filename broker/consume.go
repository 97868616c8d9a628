package broker

import (
	"cmp"
	"slices"

	"github.com/haypile/haypile/broker/internal/queue"
	"github.com/haypile/haypile/core/wire"
)

// consumer is a subscription of a channel to a queue. It is under Broker.mu.
type consumer struct {
	queue.Consumer
	channel  *channel
	queue    *mailbox
	prefetch uint16 // 0 for no limit
	held     int    // deliveries that are not settled
	cost     int64  // of the subscription
	refused  bool   // for the channel's limit; listed in channel.refused
	starved  bool   // for want of room; listed in outbox.starved
}

// readable finds a queue that the user may read; an empty name is the channel's
// last.
func (ch *channel) readable(name string) (*mailbox, *exception) {
	name, x := ch.named(name)
	if x == nil {
		x = ch.may(mayRead, "queue", name)
	}
	if x != nil {
		return nil, x
	}
	return ch.session.vhost.queue(name, ch.session)
}

func (ch *channel) consume(m *wire.BasicConsume) *exception {
	if _, taken := ch.consumers[m.ConsumerTag]; taken || ch.reply != nil && ch.reply.tag == m.ConsumerTag && m.ConsumerTag != "" {
		return raise(wire.NotAllowed, "attempt to reuse consumer tag '%s'", m.ConsumerTag)
	}
	if m.Queue == replyToName {
		return ch.consumeReplies(m)
	}
	q, x := ch.readable(m.Queue)
	if x != nil {
		return x
	}
	priority, err := q.queue.Config().ConsumerPriority(m.Arguments)
	if err != nil {
		return refusal(err)
	}
	if m.ConsumerTag == "" {
		m.ConsumerTag = serverName("amq.ctag")
	}
	if ch.limit > 0 && q.queue.Config().Type == queue.Quorum {
		return raise(wire.NotImplemented, "%s does not support global qos", q.vhost.queueText(q.name))
	}
	if x := ch.mayAddConsumer(); x != nil {
		return x
	}
	c := &consumer{channel: ch, queue: q, prefetch: ch.prefetch, cost: consumerCost + argumentsCost(m.Arguments)}
	c.Consumer = queue.Consumer{
		Tag: m.ConsumerTag, Priority: priority, NoAck: m.NoAck, Exclusive: m.Exclusive && q.queue.Config().Type != queue.Quorum, Arguments: m.Arguments, Receiver: c,
	}
	return ch.subscribe(c, m.NoWait)
}

func (ch *channel) subscribe(c *consumer, noWait bool) *exception {
	q := c.queue
	if err := q.queue.Subscribe(&c.Consumer, ch.session.broker.clock.now()); err != nil {
		return raise(wire.AccessRefused, "%s in exclusive use", q.vhost.queueText(q.name))
	}
	if q.consumers == nil {
		q.consumers = make(map[*queue.Consumer]*consumer)
	}
	if ch.consumers == nil {
		ch.consumers = make(map[string]*consumer)
	}
	ch.session.broker.defined += c.cost
	q.consumers[&c.Consumer] = c
	ch.consumers[c.Tag] = c
	q.stir()
	return ch.answer(noWait, &wire.BasicConsumeOk{ConsumerTag: c.Tag})
}

// Ready implements queue.Receiver.
func (c *consumer) Ready(*queue.Consumer) bool {
	ch := c.channel
	if !c.NoAck && c.prefetch > 0 && c.held >= int(c.prefetch) {
		return false
	}
	if !c.NoAck && ch.limit > 0 && ch.held >= int(ch.limit) {
		ch.refuse(c)
		return false
	}
	if out := &ch.session.out; !out.hasRoom() {
		out.starve(c)
		return false
	}
	return true
}

// Deliver implements queue.Receiver.
func (c *consumer) Deliver(_ *queue.Consumer, _ *queue.Queue, e *queue.Entry) {
	ch, q := c.channel, c.queue
	ch.nextTag++
	ch.push(output{
		kind: outDeliver, message: e.Message, properties: q.annotated(e, false), tag: ch.nextTag, text: c.Tag, flag: e.Redelivered,
	})
	for _, t := range []*Totals{&ch.session.broker.totals, &ch.totals, &q.totals} {
		t.delivered(c.NoAck, e.Redelivered)
	}
	if c.NoAck {
		return
	}
	c.held++
	ch.held++
	ch.owe(delivery{tag: ch.nextTag, entry: e, queue: q, consumer: c})
}

// annotated are the properties of a message that a quorum queue delivers again, or,
// with first, for the first time; nil for those that it was published with.
func (q *mailbox) annotated(e *queue.Entry, first bool) wire.RawProperties {
	if q.queue.Config().Type != queue.Quorum || e.DeliveryCount == 0 && !first {
		return nil
	}
	p, err := e.Message.Properties.Decode()
	if err != nil {
		return nil // core has checked them; the table may still be one that does not decode
	}
	if p.Headers == nil {
		p.Headers = wire.Table{}
	}
	p.Headers["x-delivery-count"] = int64(e.DeliveryCount)
	raw, err := p.Encode()
	if err != nil {
		return nil
	}
	return raw
}

func (t *Totals) delivered(noAck, again bool) {
	if noAck {
		t.DeliveredNoAck++
	} else {
		t.Delivered++
	}
	if again {
		t.Redelivered++
	}
}

func (t *Totals) got(noAck, again bool) {
	if noAck {
		t.GotNoAck++
	} else {
		t.Got++
	}
	if again {
		t.Redelivered++
	}
}

// refuse notes a consumer that waits for the channel's limit.
func (ch *channel) refuse(c *consumer) {
	if !c.refused {
		c.refused = true
		ch.refused = append(ch.refused, c)
	}
}

// wakeRefused lets those have more that waited for the channel's limit, in the order
// in which they came to wait.
func (ch *channel) wakeRefused() {
	for _, c := range ch.refused {
		c.refused = false
		c.wake()
	}
	clear(ch.refused)
	ch.refused = ch.refused[:0]
}

// wake lets the consumer have more.
func (c *consumer) wake() {
	c.queue.queue.Wake(&c.Consumer)
	c.queue.stir()
}

func (ch *channel) sortedConsumers() []*consumer {
	all := make([]*consumer, 0, len(ch.consumers))
	for _, c := range ch.consumers {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *consumer) int { return cmp.Compare(a.Tag, b.Tag) })
	return all
}

func (ch *channel) cancel(m *wire.BasicCancel) *exception {
	if c := ch.consumers[m.ConsumerTag]; c != nil {
		ch.answer(m.NoWait, &wire.BasicCancelOk{ConsumerTag: m.ConsumerTag})
		c.unsubscribe()
		return nil
	}
	if ch.reply != nil && ch.reply.tag == m.ConsumerTag {
		ch.dropReply()
	}
	return ch.answer(m.NoWait, &wire.BasicCancelOk{ConsumerTag: m.ConsumerTag})
}

// unsubscribe ends the consumer. What it was given stays with the channel.
func (c *consumer) unsubscribe() {
	q := c.queue
	c.forget()
	if q.removed {
		return
	}
	now := q.vhost.broker.clock.now()
	if unused := q.queue.Unsubscribe(&c.Consumer, now); unused {
		q.remove()
		return
	}
	q.idleSince = now
	q.stir()
}

// cancelled tells the client that the queue is no more.
func (c *consumer) cancelled() {
	c.forget()
	if c.channel.session.about.cancelNotify {
		c.channel.send(&wire.BasicCancel{ConsumerTag: c.Tag, NoWait: true})
	}
}

func (c *consumer) forget() {
	c.channel.session.broker.defined -= c.cost
	delete(c.channel.consumers, c.Tag)
	delete(c.queue.consumers, &c.Consumer)
}

func (ch *channel) qos(m *wire.BasicQos) *exception {
	switch {
	case m.PrefetchSize != 0:
		return raise(wire.NotImplemented, "prefetch_size!=0 (%d)", m.PrefetchSize)
	case m.Global && ch.session.broker.traits.globalQos:
		ch.limit = m.PrefetchCount
		ch.wakeRefused()
	default: // RabbitMQ takes the channel's own limit back with it
		ch.prefetch, ch.limit = m.PrefetchCount, 0
		ch.wakeRefused()
	}
	ch.send(&wire.BasicQosOk{})
	return nil
}

func (ch *channel) get(m *wire.BasicGet) *exception {
	q, x := ch.readable(m.Queue)
	if x != nil {
		return x
	}
	if cfg := q.queue.Config(); cfg.Type == queue.Quorum && cfg.SingleActiveConsumer {
		return raise(wire.ResourceLocked, "cannot obtain access to locked %s. basic.get operations are not supported by quorum queues with single active consumer", q.vhost.queueText(q.name))
	}
	now := ch.session.broker.clock.now()
	e := q.queue.Get(now)
	q.idleSince = now
	q.queue.Expire(now) // what has expired behind it does not count; the queue itself was used just now
	q.stir()
	if e == nil {
		ch.totals.GotEmpty++
		ch.session.broker.totals.GotEmpty++
		ch.send(&wire.BasicGetEmpty{})
		return nil
	}
	ch.got(q, e, m.NoAck)
	return nil
}

// got answers basic.get with a message.
func (ch *channel) got(q *mailbox, e *queue.Entry, noAck bool) {
	ch.nextTag++
	ch.push(output{
		kind: outGetOk, message: e.Message, properties: q.annotated(e, ch.session.broker.traits.countsFirst), tag: ch.nextTag, flag: e.Redelivered, count: uint32(q.queue.Ready()),
	})
	for _, t := range []*Totals{&ch.session.broker.totals, &ch.totals, &q.totals} {
		t.got(noAck, e.Redelivered)
	}
	if noAck {
		q.queue.Done(e)
		return
	}
	ch.owe(delivery{tag: ch.nextTag, entry: e, queue: q})
}
