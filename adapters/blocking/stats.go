package blocking

import (
	"github.com/haypile/haypile/core"
)

// Traffic is frames and bytes, both ways.
type Traffic = core.Traffic

// Stats is what a connection has done, over all its recoveries, and what it holds
// at the moment.
type Stats struct {
	Traffic

	// Counters of the publishing side. Messages published again by
	// Recovery.Republish count each time. Only channels in confirm mode have
	// confirms.
	Published uint64 // messages that were sent, or wait in the output
	Confirmed uint64 // messages that the broker took, also those that it returned
	Nacked    uint64 // messages that it did not take
	Returned  uint64 // mandatory messages that no queue got

	// Counters of the consuming side.
	Delivered uint64 // messages that came, for consumers and Get
	Acked     uint64 // messages acknowledged; not those with NoAck
	Refused   uint64 // messages nacked or rejected

	Recoveries uint64 // times that the connection came back

	// Gauges: all zero after the end.
	Channels    int  // that are open, or will be again after the recovery
	Consumers   int  // that the broker knows, or will
	Unconfirmed int  // messages that the broker has not confirmed yet
	Unsettled   int  // deliveries that wait for their ack
	Inbox       int  // deliveries that wait for their consumers' loops
	Buffered    int  // bytes that wait to be sent, roughly
	Kept        int  // bytes kept by Recovery.Republish
	Blocked     bool // by a resource alarm of the broker
	Lost        bool // and not yet recovered
}

// Add is the sum for several connections. Blocked and Lost are true when they are
// for any.
func (s Stats) Add(o Stats) Stats {
	return Stats{
		Traffic:   s.Traffic.Add(o.Traffic),
		Published: s.Published + o.Published, Confirmed: s.Confirmed + o.Confirmed,
		Nacked: s.Nacked + o.Nacked, Returned: s.Returned + o.Returned,
		Delivered: s.Delivered + o.Delivered, Acked: s.Acked + o.Acked, Refused: s.Refused + o.Refused,
		Recoveries: s.Recoveries + o.Recoveries,
		Channels:   s.Channels + o.Channels, Consumers: s.Consumers + o.Consumers,
		Unconfirmed: s.Unconfirmed + o.Unconfirmed, Unsettled: s.Unsettled + o.Unsettled,
		Inbox: s.Inbox + o.Inbox, Buffered: s.Buffered + o.Buffered, Kept: s.Kept + o.Kept,
		Blocked: s.Blocked || o.Blocked, Lost: s.Lost || o.Lost,
	}
}

// Stats is the connection's statistics. They are of one moment, the end of the
// connection's latest turn on the loop; the gauges Inbox and Buffered may be
// newer. It may be called at any time, also after the end, and holds up nothing.
func (c *Conn) Stats() Stats {
	c.mu.Lock()
	s := c.stats
	var inboxes []*inbox
	if c.ended {
		s.Unconfirmed, s.Unsettled = 0, 0
	} else {
		s.Channels, s.Consumers = len(c.channels), len(c.inboxes)
		s.Buffered, s.Kept = c.output(), c.kept
		s.Blocked, s.Lost = c.blocked, c.lost
		for b := range c.inboxes {
			inboxes = append(inboxes, b)
		}
	}
	c.mu.Unlock()
	for _, b := range inboxes {
		s.Inbox += b.depth()
	}
	return s
}

// publishStats makes what was counted on the loop visible, under mu.
func (c *Conn) publishStats(cc *core.Conn) {
	c.turn.stats.Traffic = c.turn.before.Add(cc.Traffic())
	c.stats = c.turn.stats
}

// depth is how many deliveries the consumer's loop has not seen.
func (b *inbox) depth() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.items) + int(b.taken.Load())
}

// has takes a consumer down for Stats; lacks takes it off again.
func (c *Conn) has(k *consumer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inboxes == nil {
		c.inboxes = map[*inbox]struct{}{}
	}
	c.inboxes[k.inbox] = struct{}{}
}

func (c *Conn) lacks(k *consumer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.inboxes, k.inbox)
}

// What follows counts on the loop. Each channel knows its part of the gauges, to
// take it off when it ends.

func (ch *Channel) countPublish(seq uint64, err error) {
	if err != nil {
		return
	}
	s := &ch.conn.turn.stats
	s.Published++
	if seq != 0 {
		ch.unconfirmed++
		s.Unconfirmed++
	}
}

func (ch *Channel) countConfirm(cf core.Confirm) {
	s := &ch.conn.turn.stats
	n := cf.Last - cf.First + 1
	if cf.Ack {
		s.Confirmed += n
	} else {
		s.Nacked += n
	}
	ch.unconfirmed -= int(n)
	s.Unconfirmed -= int(n)
}

func (ch *Channel) countDelivery(noAck bool) {
	s := &ch.conn.turn.stats
	s.Delivered++
	if !noAck {
		ch.unsettled++
		s.Unsettled++
	}
}

// countSettled counts n deliveries that were settled by one method.
func (ch *Channel) countSettled(kind opKind, n int) {
	s := &ch.conn.turn.stats
	if kind == opAck {
		s.Acked += uint64(n)
	} else {
		s.Refused += uint64(n)
	}
	ch.unsettled -= n
	s.Unsettled -= n
}

// countGone takes off what the broker does not wait for any more.
func (ch *Channel) countGone() {
	s := &ch.conn.turn.stats
	s.Unconfirmed -= ch.unconfirmed
	s.Unsettled -= ch.unsettled
	ch.unconfirmed, ch.unsettled = 0, 0
}
