package core_test

import (
	"testing"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// steady brings buffers to their size, then counts allocations.
func steady(t *testing.T, what string, f func()) {
	t.Helper()
	for range 100 {
		f()
	}
	if n := testing.AllocsPerRun(200, f); n != 0 {
		t.Errorf("%s: %v allocations", what, n)
	}
}

// take is what a transport does with output, without keeping any.
func take(c *core.Conn, segments *[][]byte) {
	*segments = c.Outbound((*segments)[:0])
	c.Advance(c.Buffered())
}

func TestAllocationsInSteadyState(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	ch := b.channel()
	props := &wire.Properties{ContentType: "text/plain", DeliveryMode: wire.Persistent, MessageID: "m"}
	raw, err := (&wire.Properties{ContentType: "text/plain", Headers: wire.Table{"a": 1, "b": "two"}}).Encode()
	ok(t, err)
	var out [][]byte
	for what, p := range map[string]*core.Publishing{
		"publish":                     {Exchange: "e", RoutingKey: "k", Body: make([]byte, 256)},
		"publish with properties":     {Exchange: "e", RoutingKey: "k", Properties: props, Body: make([]byte, 256)},
		"publish with raw properties": {Exchange: "e", RoutingKey: "k", RawProperties: raw, Body: make([]byte, 256)},
		"publish as mandatory":        {Exchange: "e", RoutingKey: "k", RawProperties: raw, Mandatory: true, Body: make([]byte, 256)},
		"publish of many frames":      {Exchange: "e", RoutingKey: "k", Body: make([]byte, 300_000)},
	} {
		steady(t, what, func() {
			if _, err := ch.Publish(p); err != nil {
				t.Fatal(err)
			}
			take(b.c, &out)
		})
	}
	ok(t, ch.Consume(&wire.BasicConsume{ConsumerTag: "c"}, func(d *core.Delivery) { ch.Ack(d.DeliveryTag, false) }, nil))
	b.method(1, &wire.BasicConsumeOk{ConsumerTag: "c"})
	delivery := frames(t, 1, &wire.BasicDeliver{ConsumerTag: "c", DeliveryTag: 1, Exchange: "e", RoutingKey: "some.key"})
	delivery = wire.AppendHeaderFrame(delivery, 1, wire.ClassBasic, 64, raw)
	delivery = wire.AppendBodyFrame(delivery, 1, make([]byte, 64))
	steady(t, "delivery and ack", func() {
		b.c.Feed(delivery, b.now)
		take(b.c, &out)
	})
	steady(t, "delivery in two pieces and ack", func() {
		b.c.Feed(delivery[:len(delivery)/2], b.now)
		b.c.Feed(delivery[len(delivery)/2:], b.now)
		take(b.c, &out)
	})
	ch, err = b.c.OpenChannel(nil)
	ok(t, err)
	ok(t, ch.ConfirmSelect(&wire.ConfirmSelect{}, nil))
	b.method(2, &wire.ChannelOpenOk{}, &wire.ConfirmSelectOk{})
	p := &core.Publishing{RoutingKey: "k"}
	ack := frames(t, 2, &wire.BasicAck{Multiple: true})
	steady(t, "publish and confirm", func() {
		if _, err := ch.Publish(p); err != nil {
			t.Fatal(err)
		}
		take(b.c, &out)
		b.c.Feed(ack, b.now)
	})
}
