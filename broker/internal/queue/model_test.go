package queue

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/haypile/haypile/core/wire"
)

// model is a queue as one would write it without a thought for its cost: a slice of
// messages, sorted each time it is looked at.
type model struct {
	cfg   Config
	ready []*modelled
	out   []*modelled
	gone  []string
	dead  []string
	place int
}

type modelled struct {
	m           *Message
	place       int
	priority    uint8
	expires     time.Time
	redelivered bool
}

func (o *model) order() {
	slices.SortFunc(o.ready, func(a, b *modelled) int {
		return cmp.Or(-cmp.Compare(a.priority, b.priority), cmp.Compare(a.place, b.place))
	})
}

func (o *model) bytes() (n int64) {
	for _, e := range o.ready {
		n += int64(len(e.m.Body))
	}
	return n
}

func (o *model) over(more int, bytes int64) bool {
	return o.cfg.MaxLength >= 0 && int64(len(o.ready)+more) > o.cfg.MaxLength ||
		o.cfg.MaxLengthBytes >= 0 && o.bytes()+bytes > o.cfg.MaxLengthBytes
}

func (o *model) drop(why Reason) {
	e := o.ready[0]
	o.ready = o.ready[1:]
	if o.cfg.DeadLetter {
		o.dead = append(o.dead, string(e.m.Body)+" "+string(why))
	}
	o.gone = append(o.gone, string(e.m.Body))
}

func (o *model) settle(now time.Time) {
	o.order()
	for o.cfg.Overflow == DropHead && len(o.ready) > 0 && o.over(0, 0) {
		o.drop(MaxLength)
	}
	o.expire(now)
}

func (o *model) expire(now time.Time) {
	for len(o.ready) > 0 && !o.ready[0].expires.IsZero() && !o.ready[0].expires.After(now) {
		o.drop(Expired)
	}
}

func (o *model) publish(m *Message, now time.Time) bool {
	if o.cfg.Overflow != DropHead && o.over(1, int64(len(m.Body))) {
		if o.cfg.DeadLetter && o.cfg.Overflow == RejectPublishDLX {
			o.dead = append(o.dead, string(m.Body)+" maxlen")
		}
		return false
	}
	o.expire(now)
	o.place++
	e := &modelled{m: m, place: o.place, priority: min(m.Priority, o.cfg.MaxPriority)}
	for _, ttl := range []time.Duration{m.TTL, o.cfg.MessageTTL} {
		if at := now.Add(ttl); ttl >= 0 && (e.expires.IsZero() || at.Before(e.expires)) {
			e.expires = at
		}
	}
	o.ready = append(o.ready, e)
	o.settle(now)
	return true
}

func (o *model) get(now time.Time) *modelled {
	o.expire(now)
	if len(o.ready) == 0 {
		return nil
	}
	e := o.ready[0]
	o.ready = o.ready[1:]
	o.out = append(o.out, e)
	return e
}

func (o *model) restore(i int) {
	e := o.out[i]
	o.out = slices.Delete(o.out, i, i+1)
	e.redelivered = true
	o.ready = append(o.ready, e)
}

// both runs the same operations on a queue and on the model.
type both struct {
	*harness
	o   *model
	rng *rand.Rand
	out []*Entry
}

func (b *both) step(n int) {
	switch b.rng.IntN(8) {
	case 0, 1, 2:
		m := &Message{Body: fmt.Appendf(nil, "%d%s", n, "........"[:b.rng.IntN(8)]), Priority: uint8(b.rng.IntN(6)), TTL: NoTTL}
		if b.rng.IntN(3) == 0 {
			m.TTL = time.Duration(b.rng.IntN(5)) * time.Millisecond
		}
		expect(b.t, b.q.Publish(m, b.now), b.o.publish(m, b.now))
	case 3, 4:
		b.take()
	case 5:
		b.settleOne()
	case 6:
		b.returnSome()
	case 7:
		b.now = b.now.Add(time.Duration(b.rng.IntN(3)) * time.Millisecond)
		b.q.Expire(b.now)
		b.o.expire(b.now)
	}
}

func (b *both) take() {
	e, want := b.q.Get(b.now), b.o.get(b.now)
	if e == nil || want == nil {
		expect(b.t, e == nil, want == nil)
		return
	}
	b.out = append(b.out, e)
	expect(b.t, e.Message, want.m)
	expect(b.t, e.Redelivered, want.redelivered)
}

func (b *both) settleOne() {
	if len(b.out) == 0 {
		return
	}
	i := b.rng.IntN(len(b.out))
	body := string(b.out[i].Message.Body)
	if b.rng.IntN(2) == 0 {
		b.q.Done(b.out[i])
	} else {
		b.q.Reject(b.out[i])
		if b.o.cfg.DeadLetter {
			b.o.dead = append(b.o.dead, body+" rejected")
		}
	}
	b.o.gone = append(b.o.gone, body)
	b.out = slices.Delete(b.out, i, i+1)
	b.o.out = slices.Delete(b.o.out, i, i+1)
}

func (b *both) returnSome() {
	var back []*Entry
	for range min(len(b.out), b.rng.IntN(4)) {
		i := b.rng.IntN(len(b.out))
		back = append(back, b.out[i])
		b.out = slices.Delete(b.out, i, i+1)
		b.o.restore(i)
	}
	b.q.Return(back, b.now)
	b.o.settle(b.now)
}

func (b *both) compare() {
	b.t.Helper()
	var want []string
	for _, e := range b.o.ready {
		want = append(want, string(e.m.Body))
	}
	b.holds(want...)
	b.same(b.gone, b.o.gone)
	b.same(b.dead, b.o.dead)
	expect(b.t, b.q.Unacked(), len(b.o.out))
	b.gone, b.dead, b.o.gone, b.o.dead = nil, nil, nil, nil
}

func TestRandomOperationsAgreeWithTheModel(t *testing.T) {
	for name, args := range map[string]wire.Table{
		"plain":                   nil,
		"priorities":              table("x-max-priority", int32(4)),
		"time to live":            table("x-message-ttl", int32(3), "x-dead-letter-exchange", ""),
		"drop-head":               table("x-max-length", int32(5), "x-max-length-bytes", int32(40), "x-dead-letter-exchange", ""),
		"reject-publish":          table("x-max-length", int32(5), "x-overflow", "reject-publish", "x-dead-letter-exchange", ""),
		"reject-publish-dlx":      table("x-max-length-bytes", int32(30), "x-overflow", "reject-publish-dlx", "x-dead-letter-exchange", ""),
		"priorities and all else": table("x-max-priority", int32(3), "x-max-length", int32(8), "x-message-ttl", int32(4), "x-dead-letter-exchange", ""),
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(20) {
				h := declare(t, wire.QueueDeclare{Arguments: args})
				b := &both{harness: h, o: &model{cfg: *h.q.Config()}, rng: rand.New(rand.NewPCG(seed, 1))}
				for n := range 500 {
					b.step(n)
					if b.compare(); t.Failed() {
						t.Fatalf("seed %d, step %d", seed, n)
					}
				}
			}
		})
	}
}
