package broker

import (
	"slices"

	"github.com/haypile/haypile/core/wire"
)

// Block blocks publishers for a reason such as "low on disk", as RabbitMQ does under
// a resource alarm: a connection that publishes from now on is told by
// connection.blocked and not read any more; its message is still taken. It lasts
// until Unblock, or Restart. Any goroutine may call it.
func (b *Broker) Block(reason string) {
	b.mu.Lock()
	b.memory.asked, b.memory.reason = true, clip(reason)
	b.finish(nil)
}

// Unblock ends Block. Publishers stay blocked while the broker is above its memory
// limit. Any goroutine may call it.
func (b *Broker) Unblock() {
	b.mu.Lock()
	b.memory.asked, b.memory.reason = false, ""
	b.finish(nil)
}

// CancelConsumers ends the consumers of a queue of the virtual host "/" and tells
// their clients by basic.cancel, as RabbitMQ does when a queue moves to another
// node. What they have not acknowledged stays with their channels. It returns how
// many there were. Any goroutine may call it.
func (b *Broker) CancelConsumers(queue string) (n int) {
	b.mu.Lock()
	defer b.finish(nil)
	v := b.vhosts["/"]
	if v == nil || v.queues[queue] == nil {
		return 0
	}
	consumers := slices.Clone(v.queues[queue].queue.Consumers())
	for _, k := range consumers {
		c := v.queues[queue].consumers[k]
		if c.channel.session.about.cancelNotify {
			c.channel.send(&wire.BasicCancel{ConsumerTag: c.Tag, NoWait: true})
		}
		c.unsubscribe()
		if v.queues[queue] == nil { // it was the last one of an auto-delete queue
			break
		}
	}
	return len(consumers)
}
