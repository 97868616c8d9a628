package core

import (
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
func (ch *Channel) Publish(p *Publishing) (seq uint64, err error) {
	c := ch.conn
	if p == nil {
		return 0, &ConfigError{"publishing", "nil", "set"}
	}
	if err := ch.usable(); err != nil {
		return 0, err
	}
	if ch.paused {
		return 0, ErrBackpressure
	}
	if limit := c.cfg.MaxBuffered; limit != Unbounded && (c.blocked || c.out.len() >= limit) {
		c.choked = true
		return 0, ErrBackpressure
	}
	raw, err := c.encodeProperties(p)
	if err != nil {
		return 0, err
	}
	buf, err := ch.appendPublish(c.out.room(), p, raw)
	if err != nil {
		return 0, err
	}
	c.out.buf = wire.AppendBody(buf, ch.number, p.Body, c.limits.frameMax)
	if ch.confirms == nil {
		return 0, nil
	}
	return ch.confirms.published(p, raw), nil
}

// encodeProperties returns the properties as they go on the wire, valid until
// the next call.
func (c *Conn) encodeProperties(p *Publishing) (wire.RawProperties, error) {
	if p.Properties == nil {
		return p.RawProperties, p.RawProperties.Check()
	}
	if p.RawProperties != nil {
		return nil, &ConfigError{"RawProperties", "set", "nil when Properties is set"}
	}
	var err error
	c.scratch.props, err = p.Properties.AppendTo(c.scratch.props[:0])
	return c.scratch.props, err
}

// appendPublish encodes the method and the content header.
func (ch *Channel) appendPublish(buf []byte, p *Publishing, raw wire.RawProperties) ([]byte, error) {
	m := &ch.conn.scratch.publish
	*m = wire.BasicPublish{Exchange: p.Exchange, RoutingKey: p.RoutingKey, Mandatory: p.Mandatory}
	buf, err := wire.AppendMethodFrame(buf, ch.number, m)
	if err != nil {
		return nil, err
	}
	n := len(buf)
	buf = wire.AppendHeaderFrame(buf, ch.number, wire.ClassBasic, uint64(len(p.Body)), raw)
	if size := len(buf) - n; size > int(ch.conn.limits.frameMax) {
		return nil, fmt.Errorf("%w: the content header of basic.publish takes %d bytes, frame-max is %d", ErrFrameTooLarge, size, ch.conn.limits.frameMax)
	}
	return buf, nil
}
