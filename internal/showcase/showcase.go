// Package showcase is a broker's state with something of every kind in it, for
// tests of what shows it.
package showcase

import (
	"errors"
	"sync"
	"time"

	"github.com/haypile/haypile/broker"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// Broker has the state that it was given. Its users are guest, an administrator,
// viewer, who may look at everything, and plain, who may not; their passwords are
// their names. It is safe for concurrent use.
type Broker struct {
	mu     sync.Mutex
	state  broker.State
	closed []string
}

// New has State as its state.
func New() *Broker { return &Broker{state: State()} }

// State is a copy of the state, deep enough for who changes it by Change.
func (b *Broker) State() broker.State {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.state
	s.VirtualHosts = append([]string(nil), s.VirtualHosts...)
	s.Connections = append([]broker.ConnectionState(nil), s.Connections...)
	s.Exchanges = append([]broker.ExchangeState(nil), s.Exchanges...)
	s.Queues = append([]broker.QueueState(nil), s.Queues...)
	s.Bindings = append([]broker.BindingState(nil), s.Bindings...)
	s.Consumers = append([]broker.ConsumerState(nil), s.Consumers...)
	return s
}

// Change changes the state.
func (b *Broker) Change(how func(s *broker.State)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	how(&b.state)
}

// Authenticate knows the users.
func (b *Broker) Authenticate(user, password string) (tags []string, ok bool) {
	tags, ok = map[string][]string{"guest": {"administrator"}, "viewer": {"monitoring"}, "plain": {}}[user]
	return tags, ok && password == user
}

// CloseConnection removes the connection, and keeps the reason for Closed.
func (b *Broker) CloseConnection(name, reason string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.state.Connections {
		if b.state.Connections[i].Name == name {
			b.state.Connections = append(b.state.Connections[:i:i], b.state.Connections[i+1:]...)
			b.closed = append(b.closed, name+": "+reason)
			return nil
		}
	}
	return errors.New("amqp: no such connection")
}

// Closed is the connections closed so far, with the reasons.
func (b *Broker) Closed() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.closed...)
}

const local = "127.0.0.1:5672"

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// State is a small shop: orders come in by topic, and are billed, packed and kept.
func State() broker.State {
	return broker.State{
		Overview: broker.Overview{
			Version: core.Version, Profile: "4.1.0", Node: "haypile@localhost", Now: epoch.Add(time.Hour), Started: epoch,
			Listeners: []broker.ListenerState{{Address: local}, {Address: "127.0.0.1:5671", TLS: true}},
			Totals:    totals(1200, 1100, 900), Memory: 5 << 20, MemoryLimit: 256 << 20,
		},
		VirtualHosts: []string{"/", "test"},
		Connections:  connections(),
		Exchanges:    exchanges(),
		Queues:       queues(),
		Bindings:     bindings(),
		Consumers: []broker.ConsumerState{
			{VirtualHost: "/", Queue: "billing", Tag: "biller", Connection: peer(2), Channel: 1, Active: true, Prefetch: 20, Priority: 5, Arguments: wire.Table{"x-priority": int32(5)}},
			{VirtualHost: "/", Queue: "billing", Tag: "spare", Connection: peer(2), Channel: 2, Prefetch: 20},
			{VirtualHost: "test", Queue: "billing", Tag: "watch", Connection: peer(3), Channel: 1, Active: true, NoAck: true},
		},
	}
}

func totals(published, delivered, acked uint64) broker.Totals {
	return broker.Totals{
		Published: published, Confirmed: published, Returned: 3, Unroutable: 2,
		Delivered: delivered, DeliveredNoAck: 10, Got: 4, GotNoAck: 2, GotEmpty: 1, Redelivered: 7, Acked: acked,
	}
}

func peer(n int) string { return address(n) + " -> " + local }

func address(n int) string { return "127.0.0.1:4000" + string(rune('0'+n)) }

func connections() []broker.ConnectionState {
	link := func(n int, name, virtualHost, tls string, channels ...broker.ChannelState) broker.ConnectionState {
		return broker.ConnectionState{
			Name: peer(n), ProvidedName: name, User: "guest", VirtualHost: virtualHost, PeerAddress: address(n), LocalAddress: local,
			TLS: tls, State: "running", OpenedAt: epoch, Mechanism: "PLAIN",
			Properties: wire.Table{"product": "haypile", "version": core.Version, "capabilities": wire.Table{"basic.nack": true}},
			ChannelMax: 2047, FrameMax: 131072, Heartbeat: time.Minute, Channels: channels,
			Traffic: core.Traffic{FramesSent: 90, FramesReceived: 80, BytesSent: 9000, BytesReceived: 8000},
		}
	}
	return []broker.ConnectionState{
		link(1, "shop", "/", "", broker.ChannelState{Number: 1, State: "running", Confirm: true, Unconfirmed: 2, Totals: totals(1200, 0, 0)}),
		link(2, "billing", "/", "TLS 1.3",
			broker.ChannelState{Number: 1, State: "running", Prefetch: 20, Consumers: 1, Unacked: 12, Totals: totals(0, 900, 880)},
			broker.ChannelState{Number: 2, State: "running", Prefetch: 20, Consumers: 1, Tx: true}),
		link(3, "", "test", "", broker.ChannelState{Number: 1, State: "running", Consumers: 1}),
	}
}

func exchanges() []broker.ExchangeState {
	var all []broker.ExchangeState
	for _, vhost := range []string{"/", "test"} {
		for _, x := range [][2]string{{"", "direct"}, {"amq.direct", "direct"}, {"amq.fanout", "fanout"}, {"amq.headers", "headers"}, {"amq.match", "headers"}, {"amq.rabbitmq.trace", "topic"}, {"amq.topic", "topic"}} {
			all = append(all, broker.ExchangeState{VirtualHost: vhost, Name: x[0], Type: x[1], Durable: true, Internal: x[0] == "amq.rabbitmq.trace"})
		}
		if vhost == "/" {
			all = append(all,
				broker.ExchangeState{VirtualHost: vhost, Name: "archive", Type: "fanout", Durable: true, Out: 400},
				broker.ExchangeState{VirtualHost: vhost, Name: "by-country", Type: "headers", AutoDelete: true},
				broker.ExchangeState{VirtualHost: vhost, Name: "orders", Type: "topic", Durable: true, Arguments: wire.Table{"alternate-exchange": "archive"}, In: 1200, Out: 1800})
		}
	}
	return all
}

func queues() []broker.QueueState {
	queue := func(vhost, name string, ready, unacked int) broker.QueueState {
		return broker.QueueState{
			VirtualHost: vhost, Name: name, Type: "classic", Durable: true, Ready: ready, Unacked: unacked,
			ReadyBytes: int64(ready) * 100, UnackedBytes: int64(unacked) * 100, Persistent: ready, IdleSince: epoch,
			Totals: totals(uint64(1000+ready), 900, 880),
		}
	}
	billing, kept, packing := queue("/", "billing", 3, 12), queue("/", "kept", 48210, 0), queue("/", "packing", 170, 0)
	billing.Arguments = wire.Table{"x-single-active-consumer": true}
	billing.Consumers, billing.ActiveConsumer = 2, "biller"
	kept.Arguments = wire.Table{"x-max-length": int32(100000), "x-overflow": "reject-publish"}
	kept.Head = &broker.MessageState{Exchange: "archive", RoutingKey: "order.placed.se", Bytes: 100, Timestamp: epoch}
	packing.Type = "quorum"
	reply, other := queue("/", "amq.gen-JzTY20BRgKO-HjmUJj0wLg", 0, 0), queue("test", "billing", 0, 0)
	reply.Durable, reply.Exclusive, reply.Owner, reply.AutoDelete = false, true, peer(1), true
	other.Consumers = 1
	return []broker.QueueState{reply, billing, kept, packing, other}
}

func bindings() []broker.BindingState {
	var all []broker.BindingState
	for _, q := range queues() {
		all = append(all, broker.BindingState{VirtualHost: q.VirtualHost, Destination: q.Name, RoutingKey: q.Name})
	}
	return append(all,
		broker.BindingState{VirtualHost: "/", Source: "archive", Destination: "kept"},
		broker.BindingState{VirtualHost: "/", Source: "by-country", Destination: "packing", Arguments: wire.Table{"country": "se", "x-match": "all"}},
		broker.BindingState{VirtualHost: "/", Source: "orders", Destination: "archive", ToExchange: true, RoutingKey: "#"},
		broker.BindingState{VirtualHost: "/", Source: "orders", Destination: "billing", RoutingKey: "order.paid.*"},
		broker.BindingState{VirtualHost: "/", Source: "orders", Destination: "by-country", ToExchange: true, RoutingKey: "order.paid.#"},
		broker.BindingState{VirtualHost: "/", Source: "orders", Destination: "billing", RoutingKey: "order.refunded"},
		broker.BindingState{VirtualHost: "test", Source: "amq.topic", Destination: "billing", RoutingKey: "order.#"},
	)
}
