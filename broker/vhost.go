package broker

import (
	"github.com/haypile/haypile/broker/internal/route"
)

// vhost is a virtual host: names that mean nothing in another. It is under
// Broker.mu.
type vhost struct {
	broker *Broker
	name   string
	router *route.Router[*mailbox]
	queues map[string]*mailbox
}

func newVhost(b *Broker, name string) *vhost {
	return &vhost{broker: b, name: name, router: route.New[*mailbox](), queues: make(map[string]*mailbox)}
}

// queue finds a queue that the session may use.
func (v *vhost) queue(name string, s *session) (*mailbox, *exception) {
	q := v.queues[name]
	if q == nil {
		return nil, v.noQueue(name)
	}
	if q.owner != nil && q.owner != s {
		return nil, q.locked()
	}
	return q, nil
}
