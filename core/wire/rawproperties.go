package wire

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"time"
)

// RawProperties are properties as a content header has them: the flags word and
// the fields. nil and empty stand for no property. They come from
// Properties.Encode, to be sent many times, or from ParseContentHeader, then
// aliasing its input: Clone what is to be kept.
//
// The accessors find one property by passing over those in front of it, and
// decode no other. Their ok is false for a property that is absent and, on
// bytes that would not pass Check, for one that cannot be read.
type RawProperties []byte

// Check walks over all fields without an allocation: no flags but the 14 known,
// every field whole, nothing left over. Inside the headers table it does not
// look. The error is a *DecodeError.
func (raw RawProperties) Check() error { return raw.check(0) }

// check adds base to the offset that it reports.
func (raw RawProperties) check(base int) error {
	if len(raw) == 0 {
		return nil
	}
	r := reader{p: raw, end: len(raw)}
	for has := r.flags(); has != 0; {
		p := first(has)
		r.property(p)
		has &^= p
	}
	if err := r.finish(); err != nil {
		err.Offset += base
		return err
	}
	return nil
}

// flags reads the flags word.
func (r *reader) flags() Property {
	has := Property(r.short("property flags"))
	switch {
	case has&continuation != 0:
		r.fail("property flags", 0, "a second flags word, which no property needs")
	case has&^allProperties != 0:
		r.fail("property flags", 0, "the bits %#x name no property", uint16(has&^allProperties))
	default:
		return has
	}
	return 0
}

// first is the first property of has on the wire.
func first(has Property) Property {
	return 1 << (15 - bits.LeadingZeros16(uint16(has)))
}

// property is the value's bytes of the property at the reader's place.
func (r *reader) property(p Property) []byte {
	switch p {
	case HasHeaders:
		return r.longBytes("headers")
	case HasDeliveryMode, HasPriority:
		return r.take(p.String(), 1)
	case HasTimestamp:
		return r.take("timestamp", 8)
	}
	return r.shortBytes(p.String())
}

// Flags are the properties present; 0 if there are flags that Check refuses.
func (raw RawProperties) Flags() Property {
	if len(raw) < 2 {
		return 0
	}
	has := Property(binary.BigEndian.Uint16(raw))
	if has&^allProperties != 0 {
		return 0
	}
	return has
}

// Field is the value of one property as its bytes, without a length in front,
// aliasing raw: text, table entries, one octet, or eight for the timestamp. It
// saves the allocation of the accessors that return a string.
func (raw RawProperties) Field(p Property) (value []byte, ok bool) {
	has := raw.Flags()
	if has&p == 0 || p&(p-1) != 0 {
		return nil, false
	}
	rest := []byte(raw[2:])
	for {
		at := first(has)
		start, end := at.extent(rest)
		if end > len(rest) {
			return nil, false
		}
		if at == p {
			return rest[start:end:end], true
		}
		rest = rest[end:]
		has &^= at
	}
}

// extent is where in b the value of the property lies that b starts with; end is
// beyond b if it is not whole.
func (p Property) extent(b []byte) (start, end int) {
	switch {
	case p == HasDeliveryMode || p == HasPriority:
		return 0, 1
	case p == HasTimestamp:
		return 0, 8
	case p == HasHeaders:
		if len(b) < 4 {
			return 4, 4
		}
		return 4, 4 + int(min(uint64(binary.BigEndian.Uint32(b)), uint64(len(b))))
	case len(b) == 0:
		return 1, 1
	}
	return 1, 1 + int(b[0])
}

// Decode decodes all properties with default limits. The error is a
// *DecodeError.
func (raw RawProperties) Decode() (Properties, error) {
	var p Properties
	err := p.Decode(raw, nil)
	return p, err
}

// Clone is a copy in memory of its own.
func (raw RawProperties) Clone() RawProperties { return bytes.Clone(raw) }

func (raw RawProperties) text(p Property) (string, bool) {
	b, ok := raw.Field(p)
	return string(b), ok
}

func (raw RawProperties) octet(p Property) (uint8, bool) {
	if b, ok := raw.Field(p); ok {
		return b[0], true
	}
	return 0, false
}

// ContentType is the property content-type.
func (raw RawProperties) ContentType() (v string, ok bool) { return raw.text(HasContentType) }

// ContentEncoding is the property content-encoding.
func (raw RawProperties) ContentEncoding() (v string, ok bool) { return raw.text(HasContentEncoding) }

// Headers are the message's headers, aliasing raw.
func (raw RawProperties) Headers() (v RawTable, ok bool) {
	b, ok := raw.Field(HasHeaders)
	return RawTable(b), ok
}

// DeliveryMode is the property delivery-mode: Transient or Persistent.
func (raw RawProperties) DeliveryMode() (v uint8, ok bool) { return raw.octet(HasDeliveryMode) }

// Priority is the property priority.
func (raw RawProperties) Priority() (v uint8, ok bool) { return raw.octet(HasPriority) }

// CorrelationID is the property correlation-id.
func (raw RawProperties) CorrelationID() (v string, ok bool) { return raw.text(HasCorrelationID) }

// ReplyTo is the property reply-to.
func (raw RawProperties) ReplyTo() (v string, ok bool) { return raw.text(HasReplyTo) }

// Expiration is the property expiration, in milliseconds as decimal text.
func (raw RawProperties) Expiration() (v string, ok bool) { return raw.text(HasExpiration) }

// MessageID is the property message-id.
func (raw RawProperties) MessageID() (v string, ok bool) { return raw.text(HasMessageID) }

// Timestamp is the property timestamp, in UTC.
func (raw RawProperties) Timestamp() (v time.Time, ok bool) {
	if b, ok := raw.Field(HasTimestamp); ok {
		return fromSeconds(binary.BigEndian.Uint64(b)), true
	}
	return time.Time{}, false
}

// Type is the property type.
func (raw RawProperties) Type() (v string, ok bool) { return raw.text(HasType) }

// UserID is the property user-id, which RabbitMQ has verified.
func (raw RawProperties) UserID() (v string, ok bool) { return raw.text(HasUserID) }

// AppID is the property app-id.
func (raw RawProperties) AppID() (v string, ok bool) { return raw.text(HasAppID) }

// ClusterID is the property cluster-id.
func (raw RawProperties) ClusterID() (v string, ok bool) { return raw.text(HasClusterID) }
