package broker

import (
	"time"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// State is what the broker holds at one moment. It is a copy, which shares
// nothing with the broker: it may be kept, changed and read by any goroutine.
// Lists are sorted by virtual host and name; those of connections by when they
// were opened.
type State struct {
	Overview
	VirtualHosts []string
	Connections  []ConnectionState
	Exchanges    []ExchangeState
	Queues       []QueueState
	Bindings     []BindingState // those of queues to the default exchange, which nobody made, included
	Consumers    []ConsumerState
}

// Overview is what concerns the broker as a whole.
type Overview struct {
	Version string // of this library
	Profile string // the version of RabbitMQ whose behaviour clients see, such as "4.1.0"
	Node    string // the name under which the broker shows itself, such as "haypile@localhost"

	Now       time.Time // by the broker's clock, which tests may move forward
	Started   time.Time // by the same clock
	Listeners []ListenerState

	Totals      Totals // of all connections, also those that have ended
	Memory      int64  // bytes of the messages held, with what keeping them costs
	MemoryLimit int64  // bytes above which publishers are blocked
	MemoryAlarm bool   // publishers are blocked
}

// Uptime is how long the broker has run, by its own clock.
func (o Overview) Uptime() time.Duration { return o.Now.Sub(o.Started) }

// ListenerState is an address at which the broker accepts connections.
type ListenerState struct {
	Address string // host:port
	TLS     bool
}

// Totals counts messages since the broker, the channel or the queue came to be.
type Totals struct {
	Published  uint64 // taken from publishers; of a queue: that came into it, also by dead-lettering
	Confirmed  uint64 // confirmed to publishers with an ack; zero for a queue
	Returned   uint64 // mandatory, to no queue, and sent back; zero for a queue
	Unroutable uint64 // not mandatory, to no queue, and dropped; zero for a queue

	Delivered      uint64 // to consumers that acknowledge
	DeliveredNoAck uint64 // to consumers that do not
	Got            uint64 // by basic.get, to be acknowledged
	GotNoAck       uint64 // by basic.get, not to be acknowledged
	GotEmpty       uint64 // answers to basic.get that there is no message
	Redelivered    uint64 // of the deliveries and gets, those of messages delivered before
	Acked          uint64
}

// ConnectionState is a client's connection.
type ConnectionState struct {
	Name         string // "peer -> local", which is unique; names it to CloseConnection
	ProvidedName string // connection_name of the client properties, empty if there is none
	User         string // empty until it has authenticated
	VirtualHost  string // empty until it has been opened
	PeerAddress  string // host:port
	LocalAddress string // host:port
	TLS          string // the version of TLS, such as "TLS 1.3"; empty without

	State      string // starting, tuning, opening, running, blocked, closing or closed
	OpenedAt   time.Time
	Mechanism  string     // by which it authenticated
	Properties wire.Table // the client properties

	ChannelMax uint16        // as negotiated; zero for no limit
	FrameMax   uint32        // as negotiated, in bytes
	Heartbeat  time.Duration // as negotiated; zero for none
	Traffic    core.Traffic  // sent is what the broker sent
	Buffered   int           // bytes that wait to be sent

	Channels []ChannelState // by number
}

// ChannelState is an open channel.
type ChannelState struct {
	Number  uint16
	State   string // running or closing
	Confirm bool   // in confirm mode
	Tx      bool   // in transaction mode

	Prefetch       uint16 // that later consumers get; zero for no limit
	GlobalPrefetch uint16 // of all its consumers together; zero for no limit
	Consumers      int
	Unacked        int // delivered to it, or got, and not yet acknowledged

	Unconfirmed     int // published in confirm mode and not yet confirmed
	Uncommitted     int // published in a transaction that has not ended
	UncommittedAcks int // acknowledged in a transaction that has not ended

	Totals Totals
}

// ExchangeState is an exchange.
type ExchangeState struct {
	VirtualHost string
	Name        string // empty for the default exchange
	Type        string // direct, fanout, topic or headers
	Durable     bool
	AutoDelete  bool
	Internal    bool
	Arguments   wire.Table

	In  uint64 // messages published to it, not those that came through another exchange
	Out uint64 // messages that it put into queues, each queue counting one
}

// QueueState is a queue.
type QueueState struct {
	VirtualHost string
	Name        string
	Type        string // classic or quorum
	Durable     bool
	AutoDelete  bool
	Exclusive   bool
	Owner       string // the name of the connection that an exclusive queue belongs to
	Arguments   wire.Table

	Ready        int
	Unacked      int
	ReadyBytes   int64 // of the bodies
	UnackedBytes int64 // of the bodies
	Persistent   int   // ready and unacked messages that are persistent
	Head         *MessageState
	Tail         *MessageState

	Consumers         int
	ActiveConsumer    string // the tag of the one that gets messages, with single active consumer
	ExclusiveConsumer string // the tag of the one that wants no others
	IdleSince         time.Time

	Totals Totals
}

// Messages is how many the queue holds, ready and unacknowledged.
func (q *QueueState) Messages() int { return q.Ready + q.Unacked }

// MessageState is a ready message at the head or the tail of a queue, nil when it
// has none.
type MessageState struct {
	Exchange    string // that it was published to
	RoutingKey  string
	Bytes       int       // of the body
	Priority    uint8     // by which the queue sorted it
	Redelivered bool      // it has been delivered before
	Timestamp   time.Time // the property; zero without
}

// BindingState is a binding of a queue or an exchange to an exchange.
type BindingState struct {
	VirtualHost string
	Source      string // an exchange
	Destination string // a queue, or an exchange
	ToExchange  bool   // what Destination is
	RoutingKey  string
	Arguments   wire.Table
}

// ConsumerState is a consumer. Its connection, channel number and tag together
// are unique.
type ConsumerState struct {
	VirtualHost string
	Queue       string
	Tag         string
	Connection  string // its name
	Channel     uint16

	NoAck     bool
	Exclusive bool
	Active    bool   // false while another one is the queue's single active consumer
	Prefetch  uint16 // zero for no limit
	Priority  int
	Arguments wire.Table
}

// Connection finds a connection by its name, or by the name that the client
// provided; nil if there is none.
func (s State) Connection(name string) *ConnectionState {
	return find(s.Connections, func(c *ConnectionState) bool { return c.Name == name || c.ProvidedName == name && name != "" })
}

// Exchange finds an exchange; nil if there is none.
func (s State) Exchange(virtualHost, name string) *ExchangeState {
	return find(s.Exchanges, func(x *ExchangeState) bool { return x.VirtualHost == virtualHost && x.Name == name })
}

// Queue finds a queue; nil if there is none.
func (s State) Queue(virtualHost, name string) *QueueState {
	return find(s.Queues, func(q *QueueState) bool { return q.VirtualHost == virtualHost && q.Name == name })
}

func find[T any](all []T, is func(*T) bool) *T {
	for i := range all {
		if is(&all[i]) {
			return &all[i]
		}
	}
	return nil
}
