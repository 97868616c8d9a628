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
	const conns = 10_000
	input := frames(b, 0, start(), &wire.ConnectionTune{ChannelMax: 2047, FrameMax: 131072, Heartbeat: 60}, &wire.ConnectionOpenOk{})
	replies := frames(b, 1, &wire.ChannelOpenOk{}, &wire.BasicConsumeOk{ConsumerTag: "consumer"},
		&wire.BasicDeliver{ConsumerTag: "consumer", DeliveryTag: 1, Exchange: "exchange", RoutingKey: "routing.key"}, "body")
	on := func(d *core.Delivery) { d.Channel.Ack(d.DeliveryTag, false) }
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		kept := make([]*core.Conn, conns)
		for i := range kept {
			c, err := core.NewClient(core.ClientConfig{}, nil)
			ok(b, err)
			ok(b, c.Start(epoch))
			c.Feed(input, epoch)
			ch, err := c.OpenChannel(nil)
			ok(b, err)
			ok(b, ch.Consume(&wire.BasicConsume{Queue: "q", ConsumerTag: "consumer"}, on, nil))
			c.Feed(replies[:len(replies)-1], epoch)
			c.Feed(replies[len(replies)-1:], epoch)
			_, err = ch.Publish(&core.Publishing{Exchange: "exchange", RoutingKey: "routing.key", Body: make([]byte, 256)})
			ok(b, err)
			c.Advance(c.Buffered())
			c.Tick(epoch.Add(minute / 2)) // idle for long enough to send a heartbeat
			c.Advance(c.Buffered())
			kept[i] = c
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/conns, "B/conn")
		runtime.KeepAlive(kept)
	}
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
