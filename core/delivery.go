package core

import (
	"encoding/binary"

	"github.com/haypile/haypile/core/wire"
)

// wholeDelivery hands over a delivery all of whose frames are at the start of p,
// as most are, and returns its length. For all others it returns 0 and has done
// nothing: then parse looks at them frame by frame, and finds what is wrong with
// them. Both ways tell the same; this one is short, because consumers spend most
// of their time on it.
func (c *Conn) wholeDelivery(p []byte) int {
	const deliver = uint32(wire.BasicDeliverID)
	if c.role != roleClient || c.state != StateOpen || c.in.body.on || len(c.in.carry) > 0 || c.cfg.trace != nil ||
		len(p) < wire.FrameHeaderSize+4 || p[0] != byte(wire.FrameMethod) || binary.BigEndian.Uint32(p[wire.FrameHeaderSize:]) != deliver {
		return 0
	}
	number := binary.BigEndian.Uint16(p[1:])
	ch := c.channels.get(number)
	if ch == nil || ch.state != channelOpen || ch.cause != nil || ch.receiving() != nil {
		return 0
	}
	method, n := c.wholeFrame(p, wire.FrameMethod, number)
	header, k := c.wholeFrame(p[n:], wire.FrameHeader, number)
	if n == 0 || k == 0 {
		return 0
	}
	n += k
	class, size, props, err := wire.ParseContentHeader(header)
	if err != nil || class != wire.ClassBasic || size > uint64(c.cfg.maxMessage) {
		return 0
	}
	frames := uint64(2)
	var body []byte
	if size > 0 {
		frames++
		body, k = c.wholeFrame(p[n:], wire.FrameBody, number)
		if n += k; uint64(len(body)) != size {
			return 0
		}
	}
	if !ch.deliverWhole(method[4:], props, body) {
		return 0
	}
	c.counts.framesReceived += frames
	return n
}

// wholeFrame is the payload of the frame at the start of p and the frame's
// length, 0 unless it is whole, valid, and the one that is wanted.
func (c *Conn) wholeFrame(p []byte, t wire.FrameType, number uint16) (payload []byte, n int) {
	if len(p) < wire.FrameOverhead || p[0] != byte(t) || binary.BigEndian.Uint16(p[1:]) != number {
		return nil, 0
	}
	size := binary.BigEndian.Uint32(p[3:])
	if size > c.limits.frameMax-wire.FrameOverhead || uint64(len(p)) < uint64(size)+wire.FrameOverhead {
		return nil, 0
	}
	end := wire.FrameHeaderSize + int(size)
	if p[end] != wire.FrameEnd {
		return nil, 0
	}
	return p[wire.FrameHeaderSize:end], end + 1
}

// deliverWhole decodes and hands over; false when that cannot be done here.
func (ch *Channel) deliverWhole(args []byte, props wire.RawProperties, body []byte) bool {
	if ch.incoming == nil {
		ch.incoming = &content{}
	}
	in := ch.incoming
	m := &in.deliver
	if err := ch.conn.in.interning().Method(args, m); err != nil {
		return false
	}
	k := ch.consumers.get(m.ConsumerTag)
	if k == nil || k.stream != nil {
		return false
	}
	d := &in.delivery
	d.Channel, d.ConsumerTag, d.DeliveryTag, d.Redelivered = ch, m.ConsumerTag, m.DeliveryTag, m.Redelivered
	d.Exchange, d.RoutingKey, d.MessageCount = m.Exchange, m.RoutingKey, 0
	d.Properties, d.Body = props, body
	k.on(d)
	d.Properties, d.Body = nil, nil
	return true
}
