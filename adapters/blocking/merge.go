package blocking

import (
	"slices"
	"sort"
)

// WithMergedAcks has acks that are made at nearly the same time leave as one, with
// AMQP's multiple flag, wherever nothing below them is still to be settled. They
// are not delayed for that. It spares the broker work where a consumer is fast or
// works in batches, and changes nothing else; such a channel cannot have
// transactions.
func WithMergedAcks() ChannelOption { return func(s *channelSettings) { s.mergeAcks = true } }

// merger knows which deliveries of a channel's opening are settled, since an ack
// with multiple reaches down to the oldest that is not. It is used on the loop.
type merger struct {
	runs []run    // of settled deliveries, in order, with a gap between each two
	acks []uint64 // to be sent
	last uint64   // the latest tag
}

// run is consecutive delivery tags.
type run struct{ first, last uint64 }

// through is the tag up to which all are settled.
func (m *merger) through() uint64 {
	if len(m.runs) == 0 || m.runs[0].first != 1 {
		return 0
	}
	return m.runs[0].last
}

// delivered notes a delivery that came.
func (m *merger) delivered(tag uint64, noAck bool) {
	if m.last = tag; noAck {
		m.settled(tag)
	}
}

// requeued notes that the broker waits for no ack of what came until now.
func (m *merger) requeued() {
	if m.last > 0 {
		m.runs = []run{{1, m.last}}
	}
}

// settled notes a delivery. There are no more runs than deliveries that are not
// settled, and one.
func (m *merger) settled(tag uint64) {
	i := sort.Search(len(m.runs), func(i int) bool { return m.runs[i].last+1 >= tag })
	switch {
	case i == len(m.runs) || m.runs[i].first > tag+1:
		m.runs = slices.Insert(m.runs, i, run{tag, tag})
	case m.runs[i].first == tag+1:
		m.runs[i].first = tag
	case m.runs[i].last+1 == tag:
		m.runs[i].last = tag
		if i+1 < len(m.runs) && m.runs[i+1].first == tag+1 {
			m.runs[i].last = m.runs[i+1].last
			m.runs = slices.Delete(m.runs, i+1, i+2)
		}
	}
}

// merge takes an ack to be sent with others; false for what has to be sent now.
func (ch *Channel) merge(o *op) bool {
	if o.kind != opAck {
		ch.merger.settled(o.tag)
		return false
	}
	ch.merger.acks = append(ch.merger.acks, o.tag)
	ch.conn.turn.merging = ch
	return true
}

// sendAcks sends the acks that were taken. The broker refuses multiple for a tag
// that is settled, so that one is always an ack of ours.
func (ch *Channel) sendAcks() {
	m := ch.merger
	slices.Sort(m.acks)
	n := 0
	for ; n < len(m.acks) && m.acks[n] == m.through()+1; n++ {
		m.settled(m.acks[n])
	}
	if n > 0 {
		ch.core.Ack(m.acks[n-1], n > 1)
	}
	for _, tag := range m.acks[n:] {
		ch.core.Ack(tag, false)
		m.settled(tag)
	}
	m.acks = m.acks[:0]
	ch.conn.turn.merging = nil
}

// endMerging is called where no more acks may follow for some time.
func (c *Conn) endMerging() {
	if ch := c.turn.merging; ch != nil {
		ch.sendAcks()
	}
}
