package test

import (
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
)

// ledger is what became of numbered messages.
type ledger struct {
	t         *testing.T
	confirmed atomic.Int64

	mu      sync.Mutex
	doubted []bool // a publish of it had an unknown outcome
	seen    []bool
	missing int
}

func newLedger(t *testing.T, n int) *ledger {
	return &ledger{t: t, doubted: make([]bool, n), seen: make([]bool, n), missing: n}
}

// publish publishes a message until it is confirmed.
func (l *ledger) publish(ch *blocking.Channel, queue string, id int) bool {
	body := binary.BigEndian.AppendUint32(nil, uint32(id))
	for {
		err := ch.PublishConfirm(testContext(l.t), &blocking.Publishing{
			RoutingKey: queue, Body: body, Mandatory: true, Properties: &blocking.Properties{DeliveryMode: blocking.Persistent},
		})
		if err == nil {
			l.confirmed.Add(1)
			return true
		}
		if !errors.Is(err, blocking.ErrUnknownOutcome) {
			l.t.Errorf("message %d: %v", id, err)
			return false
		}
		l.mu.Lock()
		l.doubted[id] = true
		l.mu.Unlock()
	}
}

// deliver takes a message down and tells whether it was the last.
func (l *ledger) deliver(d *blocking.Delivery) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := binary.BigEndian.Uint32(d.Body)
	switch {
	case !l.seen[id]:
		l.seen[id] = true
		l.missing--
	case !d.Redelivered && !l.doubted[id]:
		l.t.Errorf("message %d came twice, for no reason", id)
	}
	return l.missing == 0
}

// The broker dies in the middle of publishing and consuming, and comes back, three
// times; the program does nothing about it.
func survivors(t *testing.T, n node) {
	const publishers = 64
	if *secure {
		return // TLS makes no difference to what is lost, and a node's starts take long
	}
	total := 50_000
	if onEmbedded() {
		total /= 5 // its restarts take no time in which messages could pile up
	}
	ctx := testContext(t)
	var lost, recovered atomic.Int32
	opts := []blocking.Option{
		blocking.WithRecovery(&blocking.Recovery{}),
		blocking.WithParams(func(p *blocking.Params) { p.RetryDelay, p.MaxRetryDelay = 200*time.Millisecond, time.Second }),
		blocking.WithEvents(func(e blocking.Event) {
			switch e.(type) {
			case blocking.Lost:
				lost.Add(1)
			case blocking.Recovered:
				recovered.Add(1)
			}
		}),
	}
	out, in := dialURL(t, n.URL(), opts...), dialURL(t, n.URL(), opts...)
	publish, consume := channel(t, out), channel(t, in)
	q, err := publish.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "survivor", Durable: true})
	if err != nil {
		t.Fatal(err)
	}
	n.flush(t)
	l := newLedger(t, total)
	var wg sync.WaitGroup
	for who := range publishers {
		wg.Go(func() {
			for id := who; id < total && l.publish(publish, q.Queue, id); id += publishers {
			}
		})
	}
	wg.Go(func() {
		for d, err := range consume.Consume(ctx, &blocking.Consume{Queue: q.Queue}) {
			if err != nil {
				t.Errorf("the loop ended: %v", err)
				return
			}
			last := l.deliver(d)
			if err := d.Ack(); err != nil && !errors.Is(err, blocking.ErrStaleDelivery) {
				t.Errorf("ack: %v", err)
			}
			if last {
				return
			}
		}
	})
	killed := 0
	for _, at := range []int{total / 10, total / 2, total * 9 / 10} {
		eventually(t, "enough messages confirmed", func() bool { return l.confirmed.Load() >= int64(at) || t.Failed() })
		n.restart(t)
		killed++
	}
	wg.Wait()
	if lost.Load() < int32(killed) {
		t.Errorf("killed %d times; of two connections, %d losses were told", killed, lost.Load())
	}
	eventually(t, "as many recoveries told as losses", func() bool { return recovered.Load() == lost.Load() })
}
