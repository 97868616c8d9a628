package broker

import (
	"cmp"

	"github.com/haypile/haypile/broker/internal/queue"
	"github.com/haypile/haypile/broker/internal/route"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// Limits bound what clients can make, as RabbitMQ's settings do that are unlimited
// by default. What is left zero has its default, which no test should come near;
// lower one to see what a client does when it is refused.
type Limits struct {
	Connections int   // at the same time. Default 20,000; above: 530 instead of connection.open-ok
	Channels    int   // of all connections. Default 200,000; above: 530
	Consumers   int   // of a channel. Default 10,000; above: 530
	Queues      int   // of all virtual hosts. Default 200,000; above: 406
	Exchanges   int   // of all virtual hosts. Default 100,000; above: 406
	Bindings    int   // of all virtual hosts, without those to the default exchange. Default 200,000; above: 406
	Transaction int64 // bytes that the messages of one cost until it is committed. Default 128 MiB; above: 406
	Definitions int64 // bytes that queues, exchanges, bindings and consumers cost with their arguments, roughly. Default 512 MiB; above: 406
}

func (l Limits) orDefaults() Limits {
	return Limits{
		Connections: cmp.Or(l.Connections, 20_000),
		Channels:    cmp.Or(l.Channels, 200_000),
		Consumers:   cmp.Or(l.Consumers, 10_000),
		Queues:      cmp.Or(l.Queues, 200_000),
		Exchanges:   cmp.Or(l.Exchanges, 100_000),
		Bindings:    cmp.Or(l.Bindings, 200_000),
		Transaction: cmp.Or(l.Transaction, 128<<20),
		Definitions: cmp.Or(l.Definitions, 512<<20),
	}
}

func (l Limits) validate() error {
	least := min(l.Connections, l.Channels, l.Consumers, l.Queues, l.Exchanges, l.Bindings)
	if least < 0 || min(l.Transaction, l.Definitions) < 0 {
		return &core.ConfigError{Field: "limits", Value: l, Want: "no negative number"}
	}
	return nil
}

// What things cost in memory, roughly.
const (
	queueCost    = 2048
	consumerCost = 512
)

// routes is what all virtual hosts have.
func (b *Broker) routes() (u route.Usage) {
	for _, v := range b.vhosts {
		u = u.Plus(v.router.Usage())
	}
	return u
}

// affords is nil while definitions fit their limit.
func (b *Broker) affords() *exception {
	if limit := b.settings.limits.Definitions; b.defined+b.routes().Bytes >= limit {
		return raise(wire.PreconditionFailed, "limit of %d bytes of definitions is reached", limit)
	}
	return nil
}

func (b *Broker) mayAddConnection() *exception {
	if limit := b.settings.limits.Connections; len(b.sessions) > limit { // this one is among them
		return raise(wire.NotAllowed, "connection refused: node connection limit (%d) is reached", limit)
	}
	return nil
}

func (b *Broker) mayAddChannel() *exception {
	if limit := b.settings.limits.Channels; b.channels > limit { // this one is among them
		return raise(wire.NotAllowed, "number of channels opened on node '%s' has reached the maximum allowed limit of (%d)", b.node(), limit)
	}
	return nil
}

func (ch *channel) mayAddConsumer() *exception {
	b := ch.session.broker
	if limit := b.settings.limits.Consumers; len(ch.consumers) >= limit {
		return raise(wire.NotAllowed, "reached maximum (%d) of consumers per channel", limit)
	}
	return b.affords()
}

// mayPostpone is nil while a message fits its transaction. It would otherwise hold
// memory that nobody can take back, its client being blocked for want of it.
func (ch *channel) mayPostpone(m *queue.Message) *exception {
	if limit := ch.session.broker.settings.limits.Transaction; ch.tx.held+cost(m) > limit {
		return raise(wire.PreconditionFailed, "transaction is larger than the limit of %d bytes", limit)
	}
	return nil
}

func (b *Broker) mayAddQueue(name string) *exception {
	limit, n := b.settings.limits.Queues, 0
	for _, v := range b.vhosts {
		n += len(v.queues)
	}
	if n >= limit {
		return raise(wire.PreconditionFailed, "cannot declare queue '%s': queue limit in cluster (%d) is reached", name, limit)
	}
	return b.affords()
}

func (v *vhost) mayAddExchange(name string) *exception {
	b := v.broker
	if limit := b.settings.limits.Exchanges; b.routes().Exchanges >= limit {
		return raise(wire.PreconditionFailed, "cannot declare %s: exchange limit of %d is reached", v.exchangeText(name), limit)
	}
	return b.affords()
}

func (v *vhost) mayAddBinding(source string) *exception {
	b := v.broker
	if limit := b.settings.limits.Bindings; b.routes().Bindings >= limit {
		return raise(wire.PreconditionFailed, "cannot bind to %s: binding limit of %d is reached", v.exchangeText(source), limit)
	}
	return b.affords()
}

// argumentsCost is what a table costs once it is decoded.
func argumentsCost(t wire.Table) int64 {
	if len(t) == 0 {
		return 0
	}
	raw, _ := t.AppendTo(nil) // it came as such
	return route.ArgumentsCost(len(raw))
}
