package blocking_test

import (
	"context"
	"io"
	"testing"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/internal/fakebroker"
	"github.com/haypile/haypile/core/wire"
)

// sink connects to a broker that allocates nothing: it answers what setup is about,
// then sends what it is given, for ever, and reads without looking.
// drop ends the connection, as it must before a loop over deliveries is left: the
// sink would not answer.
func sink(tb testing.TB, setup answer, endless []byte) (ch *blocking.Channel, drop func()) {
	tb.Helper()
	addr := fakebroker.Start(tb, func(_ int, s *fakebroker.Session) {
		if !s.Handshake() {
			return
		}
		for ready := false; !ready; {
			m, n, body := s.Next()
			switch m.(type) {
			case nil:
				return
			case *wire.ChannelOpen:
				s.Send(n, &wire.ChannelOpenOk{})
				ready = setup == nil
			default:
				setup(s, m, n, body)
				ready = m.ID() == wire.BasicConsumeID
			}
		}
		go func() {
			for err := error(nil); err == nil && endless != nil; {
				_, err = s.Write(endless)
			}
		}()
		io.Copy(io.Discard, s) // an error means that the client has gone
	})
	conn, err := blocking.Dial(context.Background(), "amqp://"+addr, blocking.WithRecovery(nil))
	if err != nil {
		tb.Fatal(err)
	}
	drop = func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		conn.Close(ctx)
	}
	tb.Cleanup(drop)
	if ch, err = conn.Channel(context.Background()); err != nil {
		tb.Fatal(err)
	}
	return ch, drop
}

// delivering is a sink that sends the same thousand deliveries again and again.
func delivering(tb testing.TB) (ch *blocking.Channel, drop func()) {
	return sink(tb, deliveries(0, nil), manyDeliveries(1000))
}

// manyDeliveries is n messages of 64 bytes.
func manyDeliveries(n int) (frames []byte) {
	for tag := range uint64(n) {
		frames = append(frames, message(tag+1, 64)...)
	}
	return frames
}

// message is a delivery with a body of so many bytes.
func message(tag uint64, size int) []byte {
	m, _ := wire.AppendMethodFrame(nil, 1, &wire.BasicDeliver{ConsumerTag: "c", DeliveryTag: tag, Exchange: "e", RoutingKey: "key"})
	m = wire.AppendHeaderFrame(m, 1, wire.ClassBasic, uint64(size), nil)
	return wire.AppendBody(m, 1, make([]byte, size), 131072)
}

func BenchmarkPublish(b *testing.B) {
	ch, _ := sink(b, nil, nil)
	p := &blocking.Publishing{Exchange: "e", RoutingKey: "key", Body: make([]byte, 64), Properties: &blocking.Properties{DeliveryMode: blocking.Persistent}}
	b.ReportAllocs()
	for b.Loop() {
		if err := ch.Publish(b.Context(), p); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkConsumeAck(b *testing.B) {
	ch, drop := delivering(b)
	b.ReportAllocs()
	for d, err := range ch.Consume(b.Context(), &blocking.Consume{Queue: "q", Prefetch: 1000}) {
		if err != nil {
			b.Fatal(err)
		}
		if err := d.Ack(); err != nil {
			b.Fatal(err)
		}
		if !b.Loop() {
			drop()
			break
		}
	}
}
