package core_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

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

func TestReturnThatIsLeftOverIsNotPaired(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	ch := confirming(b, 0)
	for range 2 {
		_, err := ch.Publish(&core.Publishing{RoutingKey: "k", Mandatory: true, Body: []byte("x")})
		ok(t, err)
		seq := uint64(1 + len(b.log)/2)
		b.method(1, &wire.BasicAck{DeliveryTag: seq}, &wire.BasicReturn{ReplyCode: wire.NoRoute, RoutingKey: "k"}, "x")
	}
	b.told("1 confirm 1-1 true", `1 return of 0: 312 "x" to "k"`, "1 confirm 2-2 true", `1 return of 0: 312 "x" to "k"`)
}

func TestReturnIsNotPairedWithAPublishThatIsSettled(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	ch := confirming(b, 1)
	for range 2 { // numbers 2 and 3, alike
		_, err := ch.Publish(&core.Publishing{RoutingKey: "k", Mandatory: true, Body: []byte("x")})
		ok(t, err)
	}
	b.method(1, &wire.BasicAck{DeliveryTag: 2}) // routed; number 1 is still open
	b.method(1, &wire.BasicReturn{ReplyCode: wire.NoRoute, RoutingKey: "k"}, "x", &wire.BasicAck{DeliveryTag: 3})
	b.told("1 confirm 2-2 true", `1 return of 3: 312 "x" to "k"`, "1 confirm 3-3 true")
}

func TestReturnStillComesBeforeItsConfirmWhileTheChannelCloses(t *testing.T) {
	inEverySplit(t, func(t *testing.T, s split) {
		p := frames(t, 1, &wire.BasicReturn{ReplyCode: wire.NoRoute, RoutingKey: "k"}, "body", &wire.BasicAck{DeliveryTag: 1})
		for _, cut := range []int{0, len(p) / 2} { // closed before the return, and in the middle of it
			b := opened(t, core.ClientConfig{})
			ch := confirming(b, 0)
			_, err := ch.Publish(&core.Publishing{RoutingKey: "k", Mandatory: true, Body: []byte("body")})
			ok(t, err)
			b.split = s
			b.feed(p[:cut])
			ok(t, ch.Close(0, ""))
			b.feed(p[cut:])
			b.method(1, &wire.ChannelCloseOk{})
			b.told(`1 return of 1: 312 "body" to "k"`, "1 confirm 1-1 true", "1 closed: <nil>")
		}
	})
}

func TestPublishingInsideAConfirmIsNotSettledByIt(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	again := &republisher{b: b}
	ch, err := b.c.OpenChannel(again)
	ok(t, err)
	ok(t, ch.ConfirmSelect(&wire.ConfirmSelect{}, nil))
	for range 5 {
		_, err := ch.Publish(&core.Publishing{})
		ok(t, err)
	}
	b.method(1, &wire.ChannelOpenOk{}, &wire.ConfirmSelectOk{}, &wire.BasicAck{DeliveryTag: 3}, &wire.BasicAck{Multiple: true})
	b.told("3-3, then published 6", "1-2, then published 7", "4-6, then published 8")
	if ch.Unconfirmed() != 2 {
		t.Errorf("%d are unconfirmed", ch.Unconfirmed())
	}
}

// republisher publishes once for every confirm.
type republisher struct {
	core.NopChannel
	b *bench
}

func (r *republisher) OnConfirm(ch *core.Channel, c core.Confirm) {
	seq, err := ch.Publish(&core.Publishing{})
	ok(r.b.t, err)
	r.b.note("%d-%d, then published %d", c.First, c.Last, seq)
}
