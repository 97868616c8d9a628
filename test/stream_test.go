package test

import (
	"encoding/binary"
	"sync"
	"testing"

	"github.com/haypile/haypile/adapters/blocking"
)

// The first light: many publishers with confirms, many consumers with acks,
// nothing lost, doubled or out of order.
func TestEveryConfirmedMessageArrivesOnceAndInOrder(t *testing.T) {
	const (
		publishers = 8
		lanes      = 4 // channels to publish on, queues, consumers
	)
	total := 20_000
	if *adapter == "stdnet" && !*secure && !onEmbedded() {
		total = 100_000 // so many once
	}
	each, perQueue := total/publishers, total/lanes
	ctx := testContext(t)
	out, in := dial(t, ""), dial(t, "")
	var queues [lanes]string
	declare := channel(t, out)
	for i := range queues {
		q, err := declare.QueueDeclare(ctx, &blocking.QueueDeclare{AutoDelete: true})
		if err != nil {
			t.Fatal(err)
		}
		queues[i] = q.Queue
	}
	var wg sync.WaitGroup
	for lane := range lanes {
		ch := channel(t, in)
		wg.Go(func() {
			next := make(map[uint32]uint32)
			got := 0
			for d, err := range ch.Consume(ctx, &blocking.Consume{Queue: queues[lane]}) {
				if err != nil {
					t.Errorf("consumer %d after %d messages: %v", lane, got, err)
					return
				}
				who, n := binary.BigEndian.Uint32(d.Body), binary.BigEndian.Uint32(d.Body[4:])
				if n != next[who] || len(d.Body) != 256 || d.Redelivered {
					t.Errorf("publisher %d: message %d instead of %d (%d bytes, redelivered %v)", who, n, next[who], len(d.Body), d.Redelivered)
					return
				}
				next[who]++
				if err := d.Ack(); err != nil {
					t.Error(err)
				}
				if got++; got == perQueue {
					break
				}
			}
		})
	}
	for lane := range lanes {
		ch := channel(t, out)
		for i := range publishers / lanes {
			who := lane + i*lanes
			wg.Go(func() {
				body := make([]byte, 256)
				binary.BigEndian.PutUint32(body, uint32(who))
				for n := range uint32(each) {
					binary.BigEndian.PutUint32(body[4:], n)
					if err := ch.PublishConfirm(ctx, &blocking.Publishing{RoutingKey: queues[lane], Body: body}); err != nil {
						t.Errorf("publisher %d, message %d: %v", who, n, err)
						return
					}
				}
			})
		}
	}
	wg.Wait()
	for _, q := range queues {
		n, err := declare.QueueDelete(ctx, &blocking.QueueDelete{Queue: q})
		if err != nil {
			t.Fatal(err)
		}
		if n.MessageCount != 0 {
			t.Errorf("%d messages were left in %s", n.MessageCount, q)
		}
	}
}
