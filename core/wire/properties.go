package wire

import (
	"math/bits"
	"time"
)

// Property is the flag of one message property, at its place in the property
// flags of a content header (AMQP 0-9-1 section 4.2.6.1). Flags combine by |.
type Property uint16

// The message properties, in the order of the wire.
const (
	HasContentType Property = 1 << (15 - iota)
	HasContentEncoding
	HasHeaders
	HasDeliveryMode
	HasPriority
	HasCorrelationID
	HasReplyTo
	HasExpiration
	HasMessageID
	HasTimestamp
	HasType
	HasUserID
	HasAppID
	HasClusterID
)

const (
	allProperties Property = 0xFFFC
	continuation  Property = 1 // another flags word follows
)

// propertyNames are the specification's, in the order of the wire.
var propertyNames = [...]string{
	"content-type", "content-encoding", "headers", "delivery-mode", "priority",
	"correlation-id", "reply-to", "expiration", "message-id", "timestamp",
	"type", "user-id", "app-id", "cluster-id",
}

// String is the specification's name of the property, such as
// "correlation-id", of the first one if there are several, and "none" for 0.
func (p Property) String() string {
	if i := bits.LeadingZeros16(uint16(p)); i < len(propertyNames) {
		return propertyNames[i]
	}
	return "none"
}

// Values of Properties.DeliveryMode.
const (
	Transient  uint8 = 1 // may be lost when the broker restarts
	Persistent uint8 = 2 // in a durable queue, survives a restart of the broker
)

// Properties are what a message carries beside its body (AMQP 0-9-1 section
// 1.8.1). Zero fields are not sent unless Present names them. Strings are up to
// 255 bytes.
type Properties struct {
	// Present names properties to be sent even when they are zero, since absent
	// differs from empty. After decoding it is what was on the wire, so decoded
	// properties encode to the same set.
	Present Property

	// ContentType is the MIME type of the body. The broker does not look at it.
	ContentType string
	// ContentEncoding is the MIME encoding of the body, such as "gzip". The
	// broker does not look at it.
	ContentEncoding string
	// Headers are for headers exchanges, for plugins and for applications. See
	// RawHeaders, too.
	Headers Table
	// DeliveryMode is Transient or Persistent; zero counts as Transient.
	DeliveryMode uint8
	// Priority is 0 to 255, the higher the sooner, in queues declared with
	// x-max-priority.
	Priority uint8
	// CorrelationID ties a reply to its request.
	CorrelationID string
	// ReplyTo is the queue for the reply, with RabbitMQ also
	// "amq.rabbitmq.reply-to".
	ReplyTo string
	// Expiration is the message's time to live in a queue: milliseconds, as a
	// decimal number.
	Expiration string
	// MessageID is the application's name for the message.
	MessageID string
	// Timestamp has whole seconds on the wire; see Table for its range.
	Timestamp time.Time
	// Type is the application's name for the kind of message.
	Type string
	// UserID, when set, must be the connection's user, or RabbitMQ closes the
	// channel with 406.
	UserID string
	// AppID names the application that sent the message.
	AppID string
	// ClusterID is deprecated; the specification has it reserved.
	ClusterID string

	// RawHeaders stand for Headers, in the form of the wire: from a TableBuilder,
	// which costs less than a Table, or from a message that is sent on. They are
	// sent as they are, without a look inside. Only one of the two may be set.
	// Decoding leaves them nil.
	RawHeaders RawTable
}

// present is the flags word: what Present says and what is not zero.
func (p *Properties) present() Property {
	return p.Present |
		flag(HasContentType, p.ContentType != "") |
		flag(HasContentEncoding, p.ContentEncoding != "") |
		flag(HasHeaders, p.Headers != nil || p.RawHeaders != nil) |
		flag(HasDeliveryMode, p.DeliveryMode != 0) |
		flag(HasPriority, p.Priority != 0) |
		flag(HasCorrelationID, p.CorrelationID != "") |
		flag(HasReplyTo, p.ReplyTo != "") |
		flag(HasExpiration, p.Expiration != "") |
		flag(HasMessageID, p.MessageID != "") |
		flag(HasTimestamp, !p.Timestamp.IsZero()) |
		flag(HasType, p.Type != "") |
		flag(HasUserID, p.UserID != "") |
		flag(HasAppID, p.AppID != "") |
		flag(HasClusterID, p.ClusterID != "")
}

func flag(p Property, set bool) Property {
	if set {
		return p
	}
	return 0
}

// AppendTo appends the flags word and the fields: the form of RawProperties.
// The error is a *EncodeError; dst is then returned with its original length.
func (p *Properties) AppendTo(dst []byte) ([]byte, error) {
	w := writer{b: dst, start: len(dst)}
	has := p.present()
	if unknown := has &^ allProperties; unknown != 0 {
		w.fail("present", "has the bits %#x, which name no property", uint16(unknown))
	}
	w.short(uint16(has))
	w.optional(has&HasContentType, p.ContentType)
	w.optional(has&HasContentEncoding, p.ContentEncoding)
	switch {
	case has&HasHeaders == 0:
	case p.RawHeaders == nil:
		w.table("headers", p.Headers)
	case p.Headers == nil:
		w.bytes("headers", p.RawHeaders)
	default:
		w.fail("headers", "are set twice, as Headers and as RawHeaders")
	}
	if has&HasDeliveryMode != 0 {
		w.octet(p.DeliveryMode)
	}
	if has&HasPriority != 0 {
		w.octet(p.Priority)
	}
	w.optional(has&HasCorrelationID, p.CorrelationID)
	w.optional(has&HasReplyTo, p.ReplyTo)
	w.optional(has&HasExpiration, p.Expiration)
	w.optional(has&HasMessageID, p.MessageID)
	if has&HasTimestamp != 0 {
		w.longlong(seconds(p.Timestamp))
	}
	w.optional(has&HasType, p.Type)
	w.optional(has&HasUserID, p.UserID)
	w.optional(has&HasAppID, p.AppID)
	w.optional(has&HasClusterID, p.ClusterID)
	return w.end(0)
}

// optional appends a short string if its flag is set.
func (w *writer) optional(p Property, s string) {
	if p != 0 {
		w.shortstr(p.String(), s)
	}
}

// Encode is AppendTo into new memory, to be reused for many messages. The error
// is a *EncodeError.
func (p *Properties) Encode() (RawProperties, error) {
	raw, err := p.AppendTo(nil)
	if err != nil {
		return nil, err
	}
	return raw, nil
}

// sharedMost is up to how many bytes of properties are copied in one piece, of which
// all strings are parts. A string that is kept keeps no more than that.
const sharedMost = 1 << 10

// Decode overwrites all of p with what raw holds, keeping no reference to it.
// An empty headers table becomes nil, noted in Present. d supplies limits and
// interning and may be nil; of the strings, correlation-id and message-id are
// never interned. Without interning they may share memory, up to 1 KiB of it.
// The error is a *DecodeError; p is then of no use.
func (p *Properties) Decode(raw RawProperties, d *Decoder) error {
	*p = Properties{}
	if len(raw) == 0 {
		return nil
	}
	r := reader{p: raw, end: len(raw)}
	if d != nil {
		r.intern, r.limits = d.Intern, d.Limits
	}
	if r.intern == nil && len(raw) <= sharedMost {
		r.text = string(raw)
	}
	has := r.flags()
	p.Present = has
	p.ContentType = r.optional(has & HasContentType)
	p.ContentEncoding = r.optional(has & HasContentEncoding)
	if has&HasHeaders != 0 {
		p.Headers = r.table("headers")
	}
	if has&HasDeliveryMode != 0 {
		p.DeliveryMode = r.octet("delivery-mode")
	}
	if has&HasPriority != 0 {
		p.Priority = r.octet("priority")
	}
	p.CorrelationID = r.optional(has & HasCorrelationID)
	p.ReplyTo = r.optional(has & HasReplyTo)
	p.Expiration = r.optional(has & HasExpiration)
	p.MessageID = r.optional(has & HasMessageID)
	if has&HasTimestamp != 0 {
		p.Timestamp = fromSeconds(r.longlong("timestamp"))
	}
	p.Type = r.optional(has & HasType)
	p.UserID = r.optional(has & HasUserID)
	p.AppID = r.optional(has & HasAppID)
	p.ClusterID = r.optional(has & HasClusterID)
	if err := r.finish(); err != nil {
		return err
	}
	return nil
}

// optional reads a short string if its flag is set.
func (r *reader) optional(p Property) string {
	switch {
	case p == 0:
		return ""
	case r.text != "":
		return r.shared(r.shortBytes(p.String()))
	case p&(HasCorrelationID|HasMessageID) != 0:
		return string(r.shortBytes(p.String()))
	}
	return r.shortstr(p.String(), "")
}
