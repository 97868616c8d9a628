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
