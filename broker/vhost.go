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
	passed map[string]*passage // by exchange
}

// passage counts what went through an exchange.
type passage struct{ in, out uint64 }

func (v *vhost) count(exchange string, out int) {
	p := v.passed[exchange]
	if p == nil {
		p = new(passage)
		v.passed[exchange] = p
	}
	p.in++
	p.out += uint64(out)
}

func (v *vhost) traffic(exchange string) (in, out uint64) {
	if p := v.passed[exchange]; p != nil {
		return p.in, p.out
	}
	return 0, 0
}

// forget drops the counts of exchanges that are gone.
func (v *vhost) forget(exchanges []string) {
	for _, name := range exchanges {
		delete(v.passed, name)
	}
}

func newVhost(b *Broker, name string) *vhost {
	return &vhost{broker: b, name: name, router: route.New[*mailbox](), queues: make(map[string]*mailbox), passed: make(map[string]*passage)}
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
