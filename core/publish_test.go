package core_test

import (
	"errors"
	"fmt"
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

// The last envelope is kept for the next publish; it must be the same in all.
func TestPublishesThatDifferInOneFieldAreSentAsTheyAre(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	first, second := b.channel(), b.channel()
	long := string(make([]byte, 256))
	var want []wire.BasicPublish
	for _, p := range []core.Publishing{
		{Exchange: "e", RoutingKey: "k"},
		{Exchange: "e", RoutingKey: "k", Mandatory: true},
		{Exchange: "e", RoutingKey: "k"},
		{Exchange: "f", RoutingKey: "k"},
		{Exchange: "f", RoutingKey: long},
		{Exchange: "f", RoutingKey: long},
		{Exchange: "f", RoutingKey: "l"},
	} {
		for _, ch := range []*core.Channel{first, second} {
			_, err := ch.Publish(&p)
			if refused := p.RoutingKey == long; (err != nil) != refused {
				t.Fatalf("publish to %q: %v", p.RoutingKey, err)
			}
			if err == nil {
				want = append(want, wire.BasicPublish{Exchange: p.Exchange, RoutingKey: p.RoutingKey, Mandatory: p.Mandatory})
			}
		}
	}
	b.flush()
	for len(b.in) > 0 {
		f, n, err := wire.ParseFrame(b.in, 0)
		ok(t, err)
		b.in = b.in[n:]
		if f.Type != wire.FrameMethod {
			continue
		}
		m, err := wire.Decode(f.Payload)
		ok(t, err)
		if got := m.(*wire.BasicPublish); *got != want[0] {
			t.Errorf("sent %+v, want %+v", *got, want[0])
		}
		want = want[1:]
	}
	if len(want) > 0 {
		t.Errorf("%d were not sent", len(want))
	}
}

func TestPropertiesAboveFrameMaxAreRefused(t *testing.T) {
	b := opened(t, core.ClientConfig{FrameMax: 4096})
	ch := confirming(b, 0)
	raw := func(n int) wire.RawProperties {
		p, err := (&wire.Properties{Headers: wire.Table{"k": string(make([]byte, n))}}).Encode()
		ok(t, err)
		return p
	}
	const overhead = 7 + 12 + 2 + 4 + 2 + 5 + 1 // frame, header, flags, table, key, value, end
	if _, err := ch.Publish(&core.Publishing{RawProperties: raw(4096 - overhead + 1)}); !errors.Is(err, core.ErrFrameTooLarge) {
		t.Errorf("one byte too many: %v", err)
	}
	b.sent()
	seq, err := ch.Publish(&core.Publishing{RawProperties: raw(4096 - overhead)})
	if ok(t, err); seq != 1 {
		t.Errorf("the refused one took number 1")
	}
	b.sent("1 basic.publish", "1 header 0")
}
