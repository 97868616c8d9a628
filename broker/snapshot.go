package broker

import (
	"crypto/tls"
	"maps"
	"net"
	"slices"

	"github.com/haypile/haypile/broker/internal/queue"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// State is what the broker holds now.
func (b *Broker) State() State {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state()
}

// noteListeners shows where the broker listens. State does not ask for the
// lifecycle: it would wait for a Stop that waits for clients.
func (b *Broker) noteListeners() {
	var all []ListenerState
	for _, p := range b.places {
		if p.listener != nil && p.listener != net.Listener(b.inMemory) {
			all = append(all, ListenerState{Address: p.address, TLS: p.tls != nil})
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.listening = all
}

// state is State, with mu held.
func (b *Broker) state() State {
	s := State{
		Overview: Overview{
			Version: core.Version, Profile: b.settings.profile.String(), Node: b.node(),
			Now: b.clock.now(), Started: b.started, Listeners: slices.Clone(b.listening), Totals: b.totals,
			Memory: b.memory.used, MemoryLimit: b.memory.limit, MemoryAlarm: b.memory.alarm || b.memory.asked,
		},
		VirtualHosts: slices.Sorted(maps.Keys(b.vhosts)),
	}
	for _, o := range b.sessions {
		s.Connections = append(s.Connections, o.state())
	}
	for _, name := range s.VirtualHosts {
		b.vhosts[name].addTo(&s)
	}
	return s
}

func (s *session) state() ConnectionState {
	a := &s.about
	c := ConnectionState{
		Name: s.name, State: "running",
		PeerAddress: address(s.conn.RemoteAddr()), LocalAddress: address(s.conn.LocalAddr()),
		OpenedAt: a.openedAt, Mechanism: a.mechanism,
		ChannelMax: a.channelMax, FrameMax: a.frameMax, Heartbeat: a.heartbeat,
		Traffic: a.traffic, Buffered: a.buffered + s.out.bytes,
	}
	c.Properties, _ = a.properties.Decode(wire.Limits{}) // core has checked them
	c.ProvidedName = s.providedName()
	if s.user != nil {
		c.User = s.user.Name
	}
	if t := s.conn.TLS(); t != nil {
		c.TLS = tls.VersionName(t.Version)
	}
	switch {
	case s.gone:
		c.State = "closing"
	case s.vhost == nil:
		c.State = "opening"
	case s.blocked:
		c.State = "blocked"
	}
	if s.vhost != nil {
		c.VirtualHost = s.vhost.name
	}
	for _, ch := range s.sortedChannels() {
		c.Channels = append(c.Channels, ch.state())
	}
	return c
}

func (s *session) providedName() string {
	name, _, _ := s.about.properties.Lookup("connection_name")
	text, _ := name.(string)
	return text
}

func (ch *channel) state() ChannelState {
	s := ChannelState{
		Number: ch.number, State: "running", Confirm: ch.confirming, Tx: ch.tx != nil,
		Prefetch: ch.prefetch, GlobalPrefetch: ch.limit,
		Consumers: len(ch.consumers), Unacked: ch.unacked.len(), Totals: ch.totals,
	}
	if ch.tx != nil {
		s.Uncommitted, s.UncommittedAcks = len(ch.tx.published), len(ch.tx.settled)
	}
	return s
}

// addTo adds what the virtual host holds.
func (v *vhost) addTo(s *State) {
	for _, e := range v.router.Exchanges() {
		in, out := v.traffic(e.Name)
		s.Exchanges = append(s.Exchanges, ExchangeState{
			VirtualHost: v.name, Name: e.Name, Type: e.Type, Durable: e.Durable, AutoDelete: e.AutoDelete,
			Internal: e.Internal, Arguments: e.Arguments.Clone(), In: in, Out: out,
		})
	}
	for _, b := range v.router.Bindings() {
		s.Bindings = append(s.Bindings, BindingState{
			VirtualHost: v.name, Source: b.Source, Destination: b.Destination, ToExchange: b.ToExchange,
			RoutingKey: b.RoutingKey, Arguments: b.Arguments.Clone(),
		})
	}
	for _, name := range slices.Sorted(maps.Keys(v.queues)) {
		q := v.queues[name]
		s.Queues = append(s.Queues, q.state())
		for _, c := range q.queue.Consumers() {
			s.Consumers = append(s.Consumers, q.consumers[c].state())
		}
	}
}

func (q *mailbox) state() QueueState {
	cfg := q.queue.Config()
	s := QueueState{
		VirtualHost: q.vhost.name, Name: q.name, Type: string(cfg.Type),
		Durable: cfg.Durable, AutoDelete: cfg.AutoDelete, Exclusive: q.owner != nil, Arguments: cfg.Arguments.Clone(),
		Ready: q.queue.Ready(), Unacked: q.queue.Unacked(), ReadyBytes: q.queue.ReadyBytes(),
		UnackedBytes: q.unackedBytes, Persistent: q.persistent,
		Consumers: len(q.consumers), IdleSince: q.idleSince, Totals: q.totals,
	}
	if q.owner != nil {
		s.Owner = q.owner.name
	}
	if c := q.queue.Active(); c != nil {
		if cfg.SingleActiveConsumer {
			s.ActiveConsumer = c.Tag
		} else {
			s.ExclusiveConsumer = c.Tag
		}
	}
	s.Head, s.Tail = messageState(q.queue.Head()), messageState(q.queue.Tail())
	return s
}

func messageState(e *queue.Entry) *MessageState {
	if e == nil {
		return nil
	}
	m := e.Message
	s := &MessageState{
		Exchange: m.Exchange, RoutingKey: m.RoutingKey, Bytes: len(m.Body), Priority: m.Priority, Redelivered: e.Redelivered,
	}
	s.Timestamp, _ = m.Properties.Timestamp()
	return s
}

func (c *consumer) state() ConsumerState {
	active := c.queue.queue.Active()
	return ConsumerState{
		VirtualHost: c.queue.vhost.name, Queue: c.queue.name, Tag: c.Tag,
		Connection: c.channel.session.name, Channel: c.channel.number,
		NoAck: c.NoAck, Exclusive: c.Exclusive, Active: active == nil || active == &c.Consumer,
		Prefetch: c.prefetch, Priority: c.Priority, Arguments: c.Arguments.Clone(),
	}
}

func address(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.String()
}
