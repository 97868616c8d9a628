package broker

import (
	"slices"

	"github.com/haypile/haypile/broker/internal/queue"
	"github.com/haypile/haypile/broker/internal/route"
)

// forgetTransient leaves of the state what a restart does: durable exchanges, queues
// and bindings between them, and persistent messages.
func (b *Broker) forgetTransient() {
	old := b.vhosts
	b.reset()
	for name, v := range old {
		b.vhosts[name] = newVhost(b, name)
		b.vhosts[name].restore(v)
	}
	b.settle()
	b.observe()
}

// restore takes over what is durable.
func (v *vhost) restore(old *vhost) {
	for _, e := range old.router.Exchanges() {
		if _, there := v.router.Exchange(e.Name); e.Durable && !there {
			_ = v.router.Declare(e) // was declared before
		}
	}
	names := make([]string, 0, len(old.queues))
	for name := range old.queues {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if q := old.queues[name]; q.queue.Config().Durable && q.owner == nil {
			v.newMailbox(*q.queue.Config(), nil).refill(q.queue)
		}
	}
	for _, bound := range old.router.Bindings() {
		if v.lasts(bound) {
			_ = v.router.Bind(bound) // was bound before
		}
	}
}

// lasts tells whether both ends of a binding have lasted.
func (v *vhost) lasts(bound route.Binding) bool {
	if bound.Source == "" {
		return false // AddQueue makes them
	}
	_, source := v.router.Exchange(bound.Source)
	destination := v.queues[bound.Destination] != nil
	if bound.ToExchange {
		_, destination = v.router.Exchange(bound.Destination)
	}
	return source && destination
}

// refill puts the persistent messages of another queue into this one.
func (q *mailbox) refill(from *queue.Queue) {
	persistent := from.Config().Type == queue.Quorum
	for e := range from.Messages() {
		if e.Message.Persistent || persistent {
			q.account(e.Message, 1)
			q.queue.Restore(from, e)
		}
	}
	q.stir()
}
