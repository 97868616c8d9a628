package core_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

func BenchmarkPublish(b *testing.B) {
	for _, size := range []int{64, 256, 1024} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			p := &core.Publishing{Exchange: "exchange", RoutingKey: "routing.key", Body: make([]byte, size)}
			benchmarkPublish(b, p)
		})
	}
	b.Run("256B with properties and headers", func(b *testing.B) {
		raw, err := (&wire.Properties{
			ContentType: "application/json", DeliveryMode: wire.Persistent, MessageID: "0123456789",
			Headers: wire.Table{"a": 1, "b": "two", "c": true, "d": 4.5, "e": "five"},
		}).Encode()
		ok(b, err)
		benchmarkPublish(b, &core.Publishing{Exchange: "exchange", RoutingKey: "routing.key", RawProperties: raw, Body: make([]byte, 256)})
	})
}

func benchmarkPublish(b *testing.B, p *core.Publishing) {
	h := opened(b, core.ClientConfig{})
	ch := h.channel()
	var out [][]byte
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ch.Publish(p); err != nil {
			b.Fatal(err)
		}
		if h.c.Buffered() > 64<<10 {
			take(h.c, &out)
		}
	}
}

// BenchmarkDeliverAndAck feeds 64 KiB at a time; an operation is one message.
func BenchmarkDeliverAndAck(b *testing.B) {
	for _, channels := range []int{1, 2047} {
		b.Run(fmt.Sprintf("%d channels", channels), func(b *testing.B) {
			h := opened(b, core.ClientConfig{})
			var last *core.Channel
			for range channels {
				last = h.channel()
			}
			ok(b, last.Consume(&wire.BasicConsume{ConsumerTag: "consumer"}, func(d *core.Delivery) { last.Ack(d.DeliveryTag, false) }, nil))
			h.method(last.Number(), &wire.BasicConsumeOk{ConsumerTag: "consumer"})
			message := frames(b, last.Number(), &wire.BasicDeliver{ConsumerTag: "consumer", DeliveryTag: 1, Exchange: "exchange", RoutingKey: "routing.key"}, string(make([]byte, 64)))
			var feed []byte
			n := 0
			for ; len(feed) < 64<<10; n++ {
				feed = append(feed, message...)
			}
			var out [][]byte
			b.ReportAllocs()
			for i := 0; i < b.N; i += n {
				h.c.Feed(feed, h.now)
				take(h.c, &out)
			}
		})
	}
}

// BenchmarkIdle reports the memory of an idle connection with a channel and a
// consumer, which has published and consumed before.
func BenchmarkIdle(b *testing.B) {
	for b.Loop() {
		b.ReportMetric(heapOf(10_000, func() *core.Conn { return idle(b) }), "B/conn")
	}
}

// heapOf is the memory that each of n connections holds on to, in bytes.
func heapOf(n int, open func() *core.Conn) float64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	kept := make([]*core.Conn, n)
	for i := range kept {
		kept[i] = open()
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(kept)
	return (float64(after.HeapAlloc) - float64(before.HeapAlloc)) / float64(n)
}

// idle is a connection that has published and consumed, and then nothing for long
// enough to have sent a heartbeat.
func idle(t testing.TB) *core.Conn {
	c := busy(t)
	c.Tick(epoch.Add(minute / 2))
	c.Advance(c.Buffered())
	return c
}

// busy is a connection with a channel that has published and consumed.
func busy(t testing.TB) *core.Conn {
	c, err := core.NewClient(core.ClientConfig{}, nil)
	ok(t, err)
	ok(t, c.Start(epoch))
	c.Feed(frames(t, 0, start(), &wire.ConnectionTune{ChannelMax: 2047, FrameMax: 131072, Heartbeat: 60}, &wire.ConnectionOpenOk{}), epoch)
	ch, err := c.OpenChannel(nil)
	ok(t, err)
	on := func(d *core.Delivery) { d.Channel.Ack(d.DeliveryTag, false) }
	ok(t, ch.Consume(&wire.BasicConsume{Queue: "q", ConsumerTag: "consumer"}, on, nil))
	p := frames(t, 1, &wire.ChannelOpenOk{}, &wire.BasicConsumeOk{ConsumerTag: "consumer"},
		&wire.BasicDeliver{ConsumerTag: "consumer", DeliveryTag: 1, Exchange: "exchange", RoutingKey: "routing.key"}, "body")
	c.Feed(p[:len(p)-1], epoch)
	c.Feed(p[len(p)-1:], epoch)
	_, err = ch.Publish(&core.Publishing{Exchange: "exchange", RoutingKey: "routing.key", Body: make([]byte, 256)})
	ok(t, err)
	c.Advance(c.Buffered())
	return c
}

// BenchmarkServe feeds publishes 64 KiB at a time to a server that delivers and
// confirms each; an operation is one message.
func BenchmarkServe(b *testing.B) {
	h := quietServer(b)
	message := frames(b, 1, &wire.BasicPublish{Exchange: "exchange", RoutingKey: "routing.key"}, string(make([]byte, 64)))
	var feed []byte
	n := 0
	for ; len(feed) < 64<<10; n++ {
		feed = append(feed, message...)
	}
	var out [][]byte
	b.ReportAllocs()
	for i := 0; i < b.N; i += n {
		h.c.Feed(feed, h.now)
		take(h.c, &out)
	}
}

// BenchmarkPublishLarge compares copying a body with lending it.
func BenchmarkPublishLarge(b *testing.B) {
	for _, size := range []int{16 << 10, 128 << 10, 1 << 20} {
		p := &core.Publishing{Exchange: "exchange", RoutingKey: "routing.key", Body: make([]byte, size)}
		for _, lend := range []bool{false, true} {
			how := "copied"
			if lend {
				how = "lent"
			}
			b.Run(fmt.Sprintf("%dKiB %s", size>>10, how), func(b *testing.B) {
				h := opened(b, core.ClientConfig{})
				ch := h.channel()
				release := func(error) {}
				var out [][]byte
				b.SetBytes(int64(size))
				for b.Loop() {
					if lend {
						ch.PublishLoan(p, release)
					} else {
						ch.Publish(p)
					}
					take(h.c, &out)
				}
			})
		}
	}
}
