package queue

import (
	"time"

	"github.com/haypile/haypile/core/wire"
)

// NoTTL is the TTL of a message that does not expire by itself.
const NoTTL time.Duration = -1

// Message is what was published. It is immutable, and shared by all queues that it
// was routed to.
type Message struct {
	Exchange   string // that it was published to
	RoutingKey string // that it was published with
	Properties wire.RawProperties
	Body       []byte
	Priority   uint8         // counts in queues with x-max-priority
	Persistent bool          // delivery-mode 2
	Step       uint32        // of the owner's, in which it became a dead letter
	TTL        time.Duration // from the property expiration; NoTTL (any negative) for none
}

// Size is what the message is charged to a memory account, in bytes: its body, its
// properties, its names. Length limits count the body alone, as RabbitMQ has it.
func (m *Message) Size() int {
	return len(m.Body) + len(m.Properties) + len(m.Exchange) + len(m.RoutingKey)
}

// Entry is a message in one queue: ready, or out with a consumer or a basic.get
// until it is acknowledged. See the package's rules for who may hold one.
type Entry struct {
	Message       *Message
	DeliveryCount int32 // how often it came back; the header x-delivery-count of quorum queues
	Redelivered   bool  // it was delivered before
	lane          uint8 // its priority in this queue

	place   int64  // in the order of its lane
	expires int64  // nanoseconds since the queue's start; never if there is no time to live
	next    *Entry // in its lane, or in the pool
}

// Reason is why a message was dead-lettered, as the x-death header has it.
type Reason string

// The reasons.
const (
	Expired       Reason = "expired"
	Rejected      Reason = "rejected"
	MaxLength     Reason = "maxlen"
	DeliveryLimit Reason = "delivery_limit"
)

// Hooks is how a queue tells its owner about messages that it lets go of.
type Hooks interface {
	// DeadLetter is called, in queues with a dead-letter exchange, with a message
	// that the queue has dropped. The owner adds what package deadletter adds and
	// publishes it to the exchange.
	DeadLetter(q *Queue, m *Message, why Reason)
	// Gone is called once for every message that the queue had accepted and is rid
	// of, for whatever reason, after DeadLetter if that is called.
	Gone(q *Queue, m *Message)
}
