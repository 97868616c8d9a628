package broker_test

import (
	"context"
	"testing"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/broker"
)

// BenchmarkRoundTrip is a message of 256 bytes that is published with a confirm,
// consumed and acknowledged, many at a time.
func BenchmarkRoundTrip(b *testing.B) {
	br, err := broker.Start()
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	defer br.Stop(ctx)
	publisher, consumer := connect(b, br), connect(b, br)
	if _, err := publisher.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "q", Durable: true}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	go publish(b, publisher, b.N)
	n := 0
	for d, err := range consumer.Consume(ctx, &blocking.Consume{Queue: "q", Prefetch: 1000}) {
		if err != nil {
			b.Fatal(err)
		}
		if err := d.Ack(); err != nil {
			b.Fatal(err)
		}
		if n++; n == b.N {
			break
		}
	}
}

// publish publishes and waits for the confirms.
func publish(b *testing.B, ch *blocking.Channel, n int) {
	ctx := context.Background()
	body := make([]byte, 256)
	var last *blocking.Deferred
	for range n {
		d, err := ch.PublishDeferred(ctx, &blocking.Publishing{RoutingKey: "q", Body: body})
		if err != nil {
			b.Error(err)
			return
		}
		last = d
	}
	if err := last.Wait(ctx); err != nil {
		b.Error(err)
	}
}

func connect(b *testing.B, br *broker.Broker) *blocking.Channel {
	b.Helper()
	conn, err := blocking.Dial(context.Background(), br.URL())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close(context.Background()) })
	ch, err := conn.Channel(context.Background(), blocking.WithConfirmWindow(1000))
	if err != nil {
		b.Fatal(err)
	}
	return ch
}
