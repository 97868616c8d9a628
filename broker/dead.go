package broker

import (
	"github.com/haypile/haypile/broker/internal/deadletter"
	"github.com/haypile/haypile/broker/internal/queue"
)

// death is a message that a queue dropped and its dead-letter exchange gets.
type death struct {
	queue   *mailbox
	message *queue.Message
	why     queue.Reason
}

// chain counts the dead letters of one event. Queues may pass them on to each other
// in so many ways that the event would never end.
type chain struct {
	step   uint32 // the event
	roots  int    // messages that died
	linked int    // dead letters that died at once where they went
}

const linksPerRoot, freeLinks = 10, 1000

// goesOn takes note of a death, and is false for one too many.
func (c *chain) goesOn(m *queue.Message) bool {
	if m.Step != c.step {
		c.roots++
		return true
	}
	c.linked++
	return c.linked <= freeLinks+linksPerRoot*c.roots
}

// bury publishes a dead message to the dead-letter exchange of its queue, if that
// exists (https://www.rabbitmq.com/docs/dlx).
func (b *Broker) bury(d *death) {
	v, cfg := d.queue.vhost, d.queue.queue.Config()
	if _, ok := v.router.Exchange(cfg.DeadLetterExchange); !ok {
		return
	}
	if !b.chain.goesOn(d.message) || b.memory.exhausted() {
		b.settings.logger.Warn("a dead letter too many is dropped", "queue", d.queue.name)
		return
	}
	now := b.clock.now()
	properties, err := deadletter.Record(d.message.Properties, deadletter.Death{
		Queue: d.queue.name, Reason: d.why, Time: now,
		Exchange: d.message.Exchange, RoutingKey: d.message.RoutingKey,
		Rerouted: cfg.DeadLetterKey, Last: b.traits.lastDeath,
	})
	if err != nil {
		b.settings.logger.Warn("a message cannot be dead-lettered", "queue", d.queue.name, "error", err)
		return
	}
	m := *d.message
	m.Exchange, m.Properties, m.TTL, m.Step = cfg.DeadLetterExchange, properties, queue.NoTTL, b.chain.step
	keys := append(b.keys[:0], m.RoutingKey)
	if cfg.DeadLetterKey {
		m.RoutingKey, keys[0] = cfg.DeadLetterRoutingKey, cfg.DeadLetterRoutingKey
	} else if _, _, x := copyTo(properties, false, &keys); x != nil {
		keys = keys[:1]
	}
	b.keys = keys[:0]
	b.putDead(v, &m, keys, d.why)
}

// putDead routes a dead letter. Queues that it would go round in for ever do not
// get it.
func (b *Broker) putDead(v *vhost, m *queue.Message, keys []string, why queue.Reason) {
	targets := b.targets(v, m, keys)
	now := b.clock.now()
	for _, q := range targets {
		if why == queue.Rejected || !deadletter.Cycle(m.Properties, q.name) {
			q.accept(m, now)
		}
	}
	b.release(targets)
}
