package core

import (
	"hash/maphash"
	"math/bits"

	"github.com/haypile/haypile/core/wire"
)

// Confirm is the broker's word on the publishes numbered First to Last, both
// included: taken (Ack), or not.
// https://www.rabbitmq.com/docs/confirms#publisher-confirms
type Confirm struct {
	First, Last uint64 // numbers as Publish returned them
	Ack         bool   // false: the broker refused them
}

// confirms is the window of publishes of a channel that are not settled.
// Numbers below base are; of base to high, those with a bit in early are, too,
// having been settled before base was.
type confirms struct {
	base, next uint64
	high       uint64   // the highest number with a bit in early
	early      []uint64 // ring of bits that covers base to high; its length is a power of two
	mandatory  fifo[mandatory]
	seed       maphash.Seed
}

// mandatory is what a return is recognised by.
type mandatory struct {
	seq           uint64
	message, full uint64 // hashes without and with the properties
}

func (ch *Channel) startConfirms() {
	if ch.confirms == nil {
		ch.confirms = &confirms{base: 1, next: 1}
	}
}

// Unconfirmed is the number of publishes whose confirm is still awaited. When
// the channel ends, their outcome is unknown.
func (ch *Channel) Unconfirmed() int {
	if ch.confirms == nil {
		return 0
	}
	w := ch.confirms
	n := int(w.next - w.base)
	for _, word := range w.early {
		n -= bits.OnesCount64(word)
	}
	return n
}

// published gives the publish its number. raw are its properties as encoded.
func (w *confirms) published(p *Publishing, raw wire.RawProperties) uint64 {
	m := mandatory{seq: w.next}
	w.next++
	if p.Mandatory {
		if w.seed == (maphash.Seed{}) {
			w.seed = maphash.MakeSeed()
		}
		m.message, m.full = w.fingerprint(p.Exchange, p.RoutingKey, raw, p.Body)
		w.mandatory.push(m)
	}
	return m.seq
}

func (w *confirms) fingerprint(exchange, key string, props wire.RawProperties, body []byte) (message, full uint64) {
	var h maphash.Hash
	h.SetSeed(w.seed)
	h.WriteString(exchange)
	h.WriteByte(0)
	h.WriteString(key)
	h.WriteByte(0)
	h.Write(body)
	message = h.Sum64()
	h.Write(props)
	return message, h.Sum64()
}

// match finds the publish that a return belongs to, 0 if there is none. The
// broker does not say it but returns in publish order, so it is the first that
// looks the same, and those before it were routed. Properties may differ:
// RabbitMQ takes the BCC header out.
func (w *confirms) match(r *Return) uint64 {
	if w.mandatory.len() == 0 {
		return 0
	}
	message, full := w.fingerprint(r.Exchange, r.RoutingKey, r.Properties, r.Body)
	similar := -1
	for i := range w.mandatory.len() {
		m := w.mandatory.at(i)
		if w.isEarly(m.seq) {
			continue // settled, so it was not returned
		}
		if m.full == full {
			return w.popTo(i)
		}
		if similar < 0 && m.message == message {
			similar = i
		}
	}
	if similar < 0 {
		return 0
	}
	return w.popTo(similar)
}

func (w *confirms) popTo(i int) uint64 {
	for range i {
		w.mandatory.pop()
	}
	return w.mandatory.pop().seq
}

func (ch *Channel) onAck(args []byte) error {
	m := &ch.conn.desk().ack
	if err := ch.conn.in.plain().Method(args, m); err != nil {
		return err
	}
	return ch.onSettled(m.DeliveryTag, m.Multiple, true)
}

func (ch *Channel) onNack(args []byte) error {
	m := &ch.conn.desk().nack
	if err := ch.conn.in.plain().Method(args, m); err != nil {
		return err
	}
	return ch.onSettled(m.DeliveryTag, m.Multiple, false)
}

// onSettled reports what the broker settled as runs of numbers that were not
// settled before. The window is up to date whenever the handler runs.
func (ch *Channel) onSettled(last uint64, multiple, ack bool) error {
	w := ch.confirms
	if w == nil {
		return offend(wire.CommandInvalid, "a confirm on channel %d, which did not select confirms", ch.number)
	}
	first := last
	if multiple {
		first = w.base
		if last == 0 {
			last = w.next - 1
		}
	}
	if last >= w.next || last == 0 && !multiple {
		return offend(wire.CommandInvalid, "a confirm of publish %d, of which there were %d", last, w.next-1)
	}
	for n := first; n <= last; {
		if n < w.base || w.isEarly(n) {
			n++
			continue
		}
		run := n
		for n <= last && !w.isEarly(n) {
			n++
		}
		w.mark(run, n-1)
		ch.handler.OnConfirm(ch, Confirm{First: run, Last: n - 1, Ack: ack})
	}
	return nil
}

func (w *confirms) isEarly(n uint64) bool {
	return n >= w.base && n <= w.high && w.early[w.word(n)]&(1<<(n%64)) != 0
}

func (w *confirms) word(n uint64) uint64 { return n / 64 & uint64(len(w.early)-1) }

// mark commits a run of numbers as settled.
func (w *confirms) mark(first, last uint64) {
	if first == w.base {
		w.advance(last + 1)
	} else {
		w.reserve(last)
		for n := first; n <= last; n++ {
			w.early[w.word(n)] |= 1 << (n % 64)
		}
	}
	for w.mandatory.len() > 0 && w.mandatory.at(0).seq < w.base {
		w.mandatory.pop()
	}
}

// advance moves base to n and on over what was settled early.
func (w *confirms) advance(n uint64) {
	for w.base = n; w.isEarly(w.base); w.base++ {
		w.early[w.word(w.base)] &^= 1 << (w.base % 64)
	}
	if w.base > w.high && len(w.early) > fifoKeep {
		w.early = nil
	}
}

// reserve makes the ring cover base to high, in which it raises high to last.
func (w *confirms) reserve(last uint64) {
	old := *w
	w.high = max(w.high, last)
	need := (w.high-w.base)/64 + 1
	if uint64(len(w.early)) >= need {
		return
	}
	w.early = make([]uint64, 1<<bits.Len64(need-1))
	for n := w.base; n <= old.high; n++ {
		if old.isEarly(n) {
			w.early[w.word(n)] |= 1 << (n % 64)
		}
	}
}

// onReturn begins a returned message.
func (ch *Channel) onReturn(args []byte) error {
	in := ch.expect(wire.BasicReturnID)
	var m wire.BasicReturn
	if err := ch.conn.in.interning().Method(args, &m); err != nil {
		return err
	}
	in.returned = Return{Channel: ch, Code: m.ReplyCode, Text: m.ReplyText, Exchange: m.Exchange, RoutingKey: m.RoutingKey}
	return nil
}

func (ch *Channel) onReturned(r *Return) {
	if ch.confirms != nil {
		r.Seq = ch.confirms.match(r)
	}
	ch.handler.OnReturn(ch, r)
}
