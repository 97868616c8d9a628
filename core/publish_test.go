package core_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

func TestBodiesAreCutAtFrameMax(t *testing.T) {
	b := opened(t, core.ClientConfig{FrameMax: 4096})
	ch := b.channel()
	const most = 4096 - 8
	for size, bodies := range map[int][]int{
		0: nil, 1: {1}, most - 1: {most - 1}, most: {most}, most + 1: {most, 1}, 3 * most: {most, most, most},
	} {
		_, err := ch.Publish(&core.Publishing{Body: make([]byte, size)})
		ok(t, err)
		want := []string{"1 basic.publish", fmt.Sprintf("1 header %d", size)}
		for _, n := range bodies {
			want = append(want, fmt.Sprintf("1 body %d", n))
		}
		b.sent(want...)
	}
}

func TestOutputIsBounded(t *testing.T) {
	b := opened(t, core.ClientConfig{MaxBuffered: 1000})
	ch := b.channel()
	p := &core.Publishing{Body: make([]byte, 300)}
	n := 0
	for ; ; n++ {
		if _, err := ch.Publish(p); err != nil {
			if !errors.Is(err, core.ErrBackpressure) {
				t.Fatal(err)
			}
			break
		}
	}
	if got := b.c.Buffered(); got < 1000 || got > 1400 || n != 3 {
		t.Errorf("%d bytes wait after %d publishes", got, n)
	}
	ok(t, ch.Ack(1, false)) // all but publishes is always accepted
	b.c.Advance(100)
	b.told()
	b.c.Advance(800)
	b.told("writable")
	_, err := ch.Publish(p)
	ok(t, err)
}

func TestBlockedStopsPublishesOnly(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	ch := b.channel()
	b.method(0, &wire.ConnectionBlocked{Reason: "low on memory"})
	if _, err := ch.Publish(&core.Publishing{}); !errors.Is(err, core.ErrBackpressure) || !b.c.IsBlocked() {
		t.Errorf("publish while blocked: %v", err)
	}
	ok(t, ch.Ack(1, false))
	b.sent("1 basic.ack 1 false")
	b.method(0, &wire.ConnectionUnblocked{}, &wire.ConnectionUnblocked{})
	b.told("blocked true low on memory", "blocked false ", "writable")
	_, err := ch.Publish(&core.Publishing{})
	ok(t, err)
}

func TestUnboundedPublishIsNeverRefused(t *testing.T) {
	b := opened(t, core.ClientConfig{MaxBuffered: core.Unbounded})
	ch := b.channel()
	b.method(0, &wire.ConnectionBlocked{})
	for range 100 {
		_, err := ch.Publish(&core.Publishing{Body: make([]byte, 1<<20)})
		ok(t, err)
	}
}

func TestPublishesAreNumberedSinceConfirmSelect(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	ch := b.channel()
	seq := func() uint64 {
		n, err := ch.Publish(&core.Publishing{})
		ok(t, err)
		return n
	}
	got := []uint64{seq()}
	ok(t, ch.ConfirmSelect(&wire.ConfirmSelect{}, nil))
	got = append(got, seq(), seq())
	ok(t, ch.ConfirmSelect(&wire.ConfirmSelect{}, nil))
	got = append(got, seq())
	if !slices.Equal(got, []uint64{0, 1, 2, 3}) || ch.Unconfirmed() != 3 {
		t.Errorf("numbers %v, %d unconfirmed", got, ch.Unconfirmed())
	}
}

func confirming(b *bench, publishes int) *core.Channel {
	ch := b.channel()
	ok(b.t, ch.ConfirmSelect(&wire.ConfirmSelect{}, nil))
	b.method(1, &wire.ConfirmSelectOk{})
	for range publishes {
		_, err := ch.Publish(&core.Publishing{RoutingKey: "k"})
		ok(b.t, err)
	}
	b.received()
	return ch
}

func TestConfirmsAreReportedAsRanges(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	ch := confirming(b, 10)
	b.method(1, &wire.BasicAck{DeliveryTag: 4}, &wire.BasicNack{DeliveryTag: 2})
	b.told("1 confirm 4-4 true", "1 confirm 2-2 false")
	b.method(1, &wire.BasicAck{DeliveryTag: 6, Multiple: true})
	b.told("1 confirm 1-1 true", "1 confirm 3-3 true", "1 confirm 5-6 true")
	b.method(1, &wire.BasicAck{DeliveryTag: 6, Multiple: true}, &wire.BasicAck{DeliveryTag: 4})
	b.told() // each number once
	if ch.Unconfirmed() != 4 {
		t.Errorf("%d unconfirmed", ch.Unconfirmed())
	}
	b.method(1, &wire.BasicNack{DeliveryTag: 0, Multiple: true})
	b.told("1 confirm 7-10 false")
}

// tally counts how often each number was confirmed.
type tally struct {
	core.NopChannel
	times map[uint64]int
}

func (c *tally) OnConfirm(_ *core.Channel, cf core.Confirm) {
	for n := cf.First; n <= cf.Last; n++ {
		c.times[n]++
	}
}

func TestEveryPublishIsConfirmedOnceInWhateverOrder(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		b := opened(t, core.ClientConfig{})
		c := &tally{times: make(map[uint64]int)}
		ch, err := b.c.OpenChannel(c)
		ok(t, err)
		ok(t, ch.ConfirmSelect(&wire.ConfirmSelect{}, nil))
		b.method(1, &wire.ChannelOpenOk{}, &wire.ConfirmSelectOk{})
		settled := make(map[uint64]bool) // the naive model
		last := uint64(0)
		for range 2000 {
			for range r.IntN(8) {
				last, err = ch.Publish(&core.Publishing{})
				ok(t, err)
			}
			if last == 0 {
				continue
			}
			n := last - min(last-1, uint64(r.ExpFloat64()*50))
			multiple := r.IntN(10) == 0
			b.method(1, &wire.BasicAck{DeliveryTag: n, Multiple: multiple})
			settled[n] = true
			for i := uint64(1); multiple && i < n; i++ {
				settled[i] = true
			}
			if ch.Unconfirmed() != int(last)-len(settled) {
				t.Fatalf("seed %d: %d unconfirmed of %d with %d settled", seed, ch.Unconfirmed(), last, len(settled))
			}
			b.in = nil
		}
		for n := range settled {
			if c.times[n] != 1 {
				t.Fatalf("seed %d: %d was confirmed %d times", seed, n, c.times[n])
			}
		}
		if len(c.times) != len(settled) {
			t.Fatalf("seed %d: %d numbers confirmed, %d settled", seed, len(c.times), len(settled))
		}
	}
}

func TestConfirmOfWhatWasNotPublishedEndsTheConnection(t *testing.T) {
	for name, m := range map[string]wire.Method{
		"beyond the last": &wire.BasicAck{DeliveryTag: 4},
		"zero":            &wire.BasicNack{DeliveryTag: 0},
		"many beyond":     &wire.BasicAck{DeliveryTag: 1 << 63, Multiple: true},
	} {
		t.Run(name, func(t *testing.T) {
			b := opened(t, core.ClientConfig{})
			confirming(b, 3)
			b.method(1, m)
			b.sent("0 connection.close 503")
		})
	}
	b := opened(t, core.ClientConfig{})
	b.channel()
	b.method(1, &wire.BasicAck{DeliveryTag: 1})
	b.sent("0 connection.close 503")
}

func TestReturnsArePairedWithTheirPublishes(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	ch := confirming(b, 0)
	publish := func(key, body, id string) {
		t.Helper()
		p := &core.Publishing{RoutingKey: key, Body: []byte(body), Mandatory: true}
		if id != "" {
			p.Properties = &wire.Properties{MessageID: id}
		}
		_, err := ch.Publish(p)
		ok(t, err)
	}
	returned := func(key, body, id string) {
		t.Helper()
		props, err := (&wire.Properties{MessageID: id}).Encode()
		ok(t, err)
		p := frames(t, 1, &wire.BasicReturn{ReplyCode: wire.NoRoute, RoutingKey: key})
		p = wire.AppendHeaderFrame(p, 1, wire.ClassBasic, uint64(len(body)), props)
		b.feed(wire.AppendBody(p, 1, []byte(body), 4096))
	}
	publish("a", "one", "")   // 1
	publish("b", "two", "x")  // 2
	publish("b", "two", "y")  // 3
	publish("b", "three", "") // 4
	publish("b", "two", "z")  // 5
	returned("b", "two", "y")
	b.told(`1 return of 3: 312 "two" to "b"`)
	returned("b", "two", "altered") // no publish has these properties: the first alike
	b.told(`1 return of 5: 312 "two" to "b"`)
	returned("c", "never sent", "")
	b.told(`1 return of 0: 312 "never sent" to "c"`)
	b.method(1, &wire.BasicAck{DeliveryTag: 5, Multiple: true})
	b.told("1 confirm 1-5 true")
	returned("a", "one", "") // left over: its publish is settled
	b.told(`1 return of 0: 312 "one" to "a"`)
}
