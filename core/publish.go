package core

import (
	"bytes"
	"fmt"

	"github.com/haypile/haypile/core/wire"
)

// Publishing is a message to be published. Publish copies what it needs, so
// all of it may be reused at once.
type Publishing struct {
	Exchange   string // empty: the default exchange, which routes by queue name
	RoutingKey string // as the exchange's type reads it, at most 255 bytes
	Mandatory  bool   // return the message when no queue gets it
	// Properties of the message; nil for none.
	Properties *wire.Properties
	// RawProperties, encoded once by wire.Properties.Encode, spare encoding
	// the same ones for every message. Only one of the two may be set.
	RawProperties wire.RawProperties
	// Body of any length; frames are cut as needed.
	Body []byte
}

// Publish appends a message to the output (AMQP 0-9-1 section 1.8.3.7). With
// confirms on, seq is its confirm number, counting from 1; else 0.
//
// A non-nil error means that nothing was sent: ErrBackpressure (wait for
// OnWritable or OnFlow), ErrClosed, *wire.EncodeError for an exchange name or
// routing key over 255 bytes or properties that cannot be encoded,
// ErrFrameTooLarge for properties over frame-max, *ConfigError.
func (ch *Channel) Publish(p *Publishing) (seq uint64, err error) { return ch.publish(p, nil) }

// publish lends the body when there is a release, else copies it.
func (ch *Channel) publish(p *Publishing, release func(error)) (seq uint64, err error) {
	c := ch.conn
	if p == nil {
		return 0, &ConfigError{"publishing", "nil", "set"}
	}
	if err := ch.requests(); err != nil {
		return 0, err
	}
	if ch.paused || c.full() {
		return 0, ErrBackpressure
	}
	raw := p.RawProperties
	if raw != nil || p.Properties != nil {
		if raw, err = c.encodeProperties(p.Properties, raw); err != nil {
			return 0, err
		}
	}
	envelope, err := ch.envelope(p)
	if err != nil {
		return 0, err
	}
	o, before := &c.out, mark{}
	if c.serial != nil {
		o = c.lane()
		before = o.mark()
	}
	buf, err := ch.appendHeader(append(o.room(), envelope...), wire.BasicPublishID, raw, len(p.Body))
	if err != nil {
		return 0, err
	}
	n := len(o.buf)
	c.countContent(len(p.Body))
	if release == nil {
		o.buf = wire.AppendBody(buf, ch.number, p.Body, c.limits.frameMax)
	} else {
		o.buf = buf
		o.lend(ch.number, p.Body, c.limits.frameMax, release)
	}
	switch {
	case o != &c.out:
		c.commit(o, before, ch, heldPlain, pending{})
	case c.cfg.trace != nil:
		c.traceSent(n)
	}
	if ch.confirms == nil {
		return 0, nil
	}
	return ch.confirms.published(p, raw), nil
}

// full tells that no more messages are taken, and remembers to tell when that
// changes.
func (c *Conn) full() bool {
	limit := c.cfg.maxBuffered
	if limit == Unbounded || c.queued() < limit && (!c.blocked || c.role == roleServer) {
		return false
	}
	c.choked = true
	return true
}

// encodeProperties returns the properties as they go on the wire, valid until
// the next call.
func (c *Conn) encodeProperties(props *wire.Properties, raw wire.RawProperties) (wire.RawProperties, error) {
	if props == nil {
		return raw, c.desk().check(raw)
	}
	if raw != nil {
		return nil, &ConfigError{"RawProperties", "set", "nil when Properties is set"}
	}
	var err error
	s := c.desk()
	s.props, err = props.AppendTo(s.props[:0])
	return s.props, err
}

// appendContent encodes a method and the header of its content.
func (ch *Channel) appendContent(buf []byte, m wire.Method, raw wire.RawProperties, size int) ([]byte, error) {
	buf, err := wire.AppendMethodFrame(buf, ch.number, m)
	if err != nil {
		return nil, err
	}
	return ch.appendHeader(buf, m.ID(), raw, size)
}

// appendHeader encodes the header of the content of the method id.
func (ch *Channel) appendHeader(buf []byte, id wire.MethodID, raw wire.RawProperties, size int) ([]byte, error) {
	n := len(buf)
	buf = wire.AppendHeaderFrame(buf, ch.number, wire.ClassBasic, uint64(size), raw)
	if taken := len(buf) - n; taken > int(ch.conn.limits.frameMax) {
		return nil, fmt.Errorf("%w: the content header of %s takes %d bytes, frame-max is %d", ErrFrameTooLarge, id, taken, ch.conn.limits.frameMax)
	}
	return buf, nil
}

// envelope is the method frame of a publish. Most publishers use one exchange
// and few keys, so the last one is kept.
func (ch *Channel) envelope(p *Publishing) ([]byte, error) {
	s := ch.conn.desk()
	if m := &s.publish; s.on == ch.number && m.RoutingKey == p.RoutingKey && m.Exchange == p.Exchange && m.Mandatory == p.Mandatory {
		return s.frame, nil
	}
	s.on = 0
	s.publish = wire.BasicPublish{Exchange: p.Exchange, RoutingKey: p.RoutingKey, Mandatory: p.Mandatory}
	var err error
	if s.frame, err = wire.AppendMethodFrame(s.frame[:0], ch.number, &s.publish); err != nil {
		return nil, err
	}
	s.on = ch.number
	return s.frame, nil
}

// check checks properties, unless they are those of the last message.
func (s *scratch) check(raw wire.RawProperties) error {
	if len(raw) == 0 || bytes.Equal(raw, s.checked) {
		return nil
	}
	err := raw.Check()
	if err == nil && len(raw) <= carryKeep {
		s.checked = append(s.checked[:0], raw...)
	}
	return err
}
