package queue

import (
	"time"

	"github.com/haypile/haypile/core/wire"
)

// Type is what x-queue-type says.
type Type string

// The types. A quorum queue is a single copy like any other, with a quorum queue's
// rules.
const (
	Classic Type = "classic"
	Quorum  Type = "quorum"
)

// Overflow is what x-overflow says about a queue that has reached a length limit.
type Overflow string

// The overflow behaviours.
const (
	DropHead         Overflow = "drop-head" // the default
	RejectPublish    Overflow = "reject-publish"
	RejectPublishDLX Overflow = "reject-publish-dlx" // and dead-letter what is refused; quorum queues do not know it
)

// unlimited is a limit that is not there.
const unlimited = -1

// Config is what a queue was declared with, see NewConfig. Times and limits are
// negative where there is none; zero is a limit.
type Config struct {
	VHost      string
	Name       string
	Durable    bool
	Exclusive  bool
	AutoDelete bool
	Arguments  wire.Table // as they were declared, unknown ones included

	Type                 Type
	MessageTTL           time.Duration // x-message-ttl
	Expires              time.Duration // x-expires
	MaxLength            int64         // x-max-length, in messages that are ready
	MaxLengthBytes       int64         // x-max-length-bytes, in bytes of their bodies
	Overflow             Overflow
	DeadLetter           bool   // x-dead-letter-exchange is there; it may be the default exchange
	DeadLetterExchange   string // need not exist
	DeadLetterKey        bool   // x-dead-letter-routing-key is there; it may be empty
	DeadLetterRoutingKey string
	MaxPriority          uint8 // x-max-priority
	SingleActiveConsumer bool
	DeliveryLimit        int64 // x-delivery-limit, of quorum queues
}

// NewConfig reads a declaration of a queue in the virtual host, whose name must be
// final. It keeps a copy of the arguments. The error is an *ArgumentError.
func NewConfig(vhost string, d *wire.QueueDeclare) (Config, error) {
	c := Config{
		VHost: vhost, Name: d.Queue,
		Durable: d.Durable, Exclusive: d.Exclusive, AutoDelete: d.AutoDelete,
		Arguments: d.Arguments.Clone(),
		Type:      Classic,
	}
	if err := c.check(); err != nil {
		return Config{}, err
	}
	c.MessageTTL = c.duration("x-message-ttl")
	c.Expires = c.duration("x-expires")
	c.MaxLength = c.limit("x-max-length")
	c.MaxLengthBytes = c.limit("x-max-length-bytes")
	c.DeliveryLimit = c.limit("x-delivery-limit")
	c.Overflow = DropHead
	if v, ok := c.Arguments["x-overflow"].(string); ok && (c.Type == Classic || v != string(RejectPublishDLX)) {
		c.Overflow = Overflow(v)
	}
	c.DeadLetterExchange, c.DeadLetter = c.Arguments["x-dead-letter-exchange"].(string)
	c.DeadLetterRoutingKey, c.DeadLetterKey = c.Arguments["x-dead-letter-routing-key"].(string)
	c.MaxPriority = uint8(max(c.limit("x-max-priority"), 0))
	c.SingleActiveConsumer, _ = c.Arguments["x-single-active-consumer"].(bool)
	return c, nil
}

// limit is an integer argument that has been checked, unlimited if it is absent.
func (c *Config) limit(name string) int64 {
	if n, ok := integer(c.Arguments[name]); ok {
		return n
	}
	return unlimited
}

// duration is limit for milliseconds.
func (c *Config) duration(name string) time.Duration {
	if n := c.limit(name); n != unlimited {
		return time.Duration(n) * time.Millisecond
	}
	return NoTTL
}
