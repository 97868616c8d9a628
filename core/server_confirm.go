package core

import (
	"encoding/binary"
	"fmt"

	"github.com/haypile/haypile/core/wire"
)

// ack sends a confirm, or has the one before stand for this publish, too.
func (ch *Channel) ack(m *wire.BasicAck) error {
	s, c := ch.serving, ch.conn
	if s.confirming && m.DeliveryTag == s.settled+1 && m.DeliveryTag <= s.published && !m.Multiple && ch.widen(m.DeliveryTag) {
		s.settled++
		return nil
	}
	err := ch.confirm(m, m.DeliveryTag, m.Multiple)
	if err == nil && m.DeliveryTag == s.settled {
		s.ackedAt = c.counts.framesSent
	}
	return err
}

// widen has the ack in front stand for all publishes up to tag, if it is the last
// frame, none of which has left. What is traced stays as it is.
func (ch *Channel) widen(tag uint64) bool {
	const args = 8 + 1 + 1 // the tag, the bit multiple, the frame's end
	c := ch.conn
	if s := ch.serving; s.ackedAt == 0 || s.ackedAt != c.counts.framesSent || c.cfg.trace != nil {
		return false
	}
	unsent := c.out.buf[c.out.off:]
	if len(unsent) < wire.FrameOverhead+4+8+1 {
		return false
	}
	p := unsent[len(unsent)-args:]
	binary.BigEndian.PutUint64(p, tag)
	p[8] = 1
	return true
}

func (ch *Channel) confirm(m wire.Method, tag uint64, multiple bool) error {
	s := ch.serving
	if !s.confirming || tag > s.published || tag == 0 && !multiple {
		return &ConfigError{"delivery tag", tag, fmt.Sprintf("that of a publish since confirm.select, of which there are %d", s.published)}
	}
	if err := ch.conn.reply(ch.number, m); err != nil {
		return err
	}
	switch {
	case multiple && tag == 0:
		s.settled = s.published
	case multiple:
		s.settled = max(s.settled, tag)
	case tag == s.settled+1:
		s.settled = tag
	}
	return nil
}
