//go:build !race

package blocking_test

import (
	"io"
	"iter"
	"math"
	"runtime"
	"testing"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/internal/fakebroker"
	"github.com/haypile/haypile/core/wire"
)

// steppingSink is a sink that sends n deliveries once those before them are acked.
func steppingSink(t *testing.T, n int) (ch *blocking.Channel, drop func()) {
	t.Helper()
	ack, _ := wire.AppendMethodFrame(nil, 1, &wire.BasicAck{})
	acks, sent := make([]byte, n*len(ack)), manyDeliveries(n)
	return sink(t, func(s *fakebroker.Session, m wire.Method, number uint16, body []byte) {
		deliveries(0, nil)(s, m, number, body)
		if m.ID() != wire.BasicConsumeID {
			return
		}
		for err := error(nil); err == nil; { // an error means that the client has gone
			if _, err = s.Write(sent); err == nil {
				_, err = io.ReadFull(s, acks)
			}
		}
	}, nil)
}

// Of each message the client allocates what describes it, whatever its size.
func TestReusedBodiesTakeNoMemory(t *testing.T) {
	const n, size, most = 500, 200_000, 1000
	ch, drop := sink(t, deliveries(0, nil), message(1, size))
	next, stop := iter.Pull2(ch.Consume(t.Context(), &blocking.Consume{Queue: "q", Prefetch: 10, ReuseBodies: true}))
	defer stop()
	defer drop()
	consume := func() {
		for range n {
			d, err, _ := next()
			if err == nil {
				err = d.Ack()
			}
			if err != nil || len(d.Body) != size {
				t.Fatalf("%v, %v", d, err)
			}
		}
	}
	consume() // brings buffers to their size
	least := uint64(math.MaxUint64)
	for range 5 { // in some, more bodies may wait than ever before
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		consume()
		runtime.ReadMemStats(&after)
		least = min(least, (after.TotalAlloc-before.TotalAlloc)/n)
	}
	if least > most {
		t.Errorf("%d bytes are allocated for each message", least)
	}
}

// confirmingSink is a sink that acks publishes that are like p.
func confirmingSink(t *testing.T, p *blocking.Publishing, opts ...blocking.ChannelOption) *blocking.Channel {
	t.Helper()
	sent, _ := wire.AppendMethodFrame(nil, 1, &wire.BasicPublish{RoutingKey: p.RoutingKey})
	sent = wire.AppendHeaderFrame(sent, 1, wire.ClassBasic, uint64(len(p.Body)), nil)
	in := make([]byte, len(wire.AppendBody(sent, 1, p.Body, 131072)))
	other, _ := sink(t, func(s *fakebroker.Session, m wire.Method, n uint16, _ []byte) {
		if m.ID() != wire.ConfirmSelectID {
			return
		}
		s.Send(n, &wire.ConfirmSelectOk{})
		var ack wire.BasicAck
		var out []byte
		for err := error(nil); err == nil; { // an error means that the client has gone
			if _, err = io.ReadFull(s, in); err == nil {
				ack.DeliveryTag++
				out, _ = wire.AppendMethodFrame(out[:0], n, &ack)
				_, err = s.Write(out)
			}
		}
	}, nil)
	ch := open(t, other.Conn(), opts...)
	if err := ch.ConfirmSelect(t.Context()); err != nil {
		t.Fatal(err)
	}
	return ch
}

func TestAllocationsPerMessage(t *testing.T) {
	const n = 300
	per := func(what string, want float64, message func() error) {
		t.Helper()
		all := func() {
			for range n {
				if err := message(); err != nil {
					t.Fatal(err)
				}
			}
		}
		all() // brings buffers to their size
		if got := testing.AllocsPerRun(50, all) / n; got > want+0.1 {
			t.Errorf("%s: %v allocations, not %v", what, got, want)
		}
	}
	ctx := t.Context()
	p := &blocking.Publishing{RoutingKey: "key", Body: make([]byte, 64)}
	publish, _ := sink(t, nil, nil)
	per("publish", 0, func() error { return publish.Publish(ctx, p) })
	large := &blocking.Publishing{RoutingKey: "key", Body: make([]byte, 40_000)}
	per("publish of a large body, which waits for some of those before", 1, func() error { return publish.Publish(ctx, large) })
	confirm := confirmingSink(t, p)
	per("publish and wait, which wakes the loop", 1, func() error { return confirm.PublishConfirm(ctx, p) })
	var window [100]*blocking.Deferred
	next := 0
	per("publish with a window of handles", 1, func() (err error) {
		next = (next + 1) % len(window)
		if d := window[next]; d != nil {
			if err := d.Wait(ctx); err != nil {
				return err
			}
		}
		window[next], err = confirm.PublishDeferred(ctx, p)
		return err
	})
	bounded := confirmingSink(t, p, blocking.WithConfirmWindow(100))
	per("publish with the channel's window", 1, func() error {
		_, err := bounded.PublishDeferred(ctx, p)
		return err
	})
	consume, drop := steppingSink(t, n)
	deliveries, stop := iter.Pull2(consume.Consume(ctx, &blocking.Consume{Queue: "q", Prefetch: n}))
	defer stop()
	defer drop()
	per("delivery", 2, func() error {
		d, err, _ := deliveries()
		if err == nil {
			err = d.Ack()
		}
		return err
	})
}
