package broker_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/broker"
)

// TestWhatClientsDoAtRandomAddsUp has clients do anything, refused things included,
// and close at any moment. When they are gone nothing may be out with anybody, and
// with the last queue the account of memory must be empty.
func TestWhatClientsDoAtRandomAddsUp(t *testing.T) {
	b := start(t, broker.WithProfile(broker.RabbitMQ3))
	var clients sync.WaitGroup
	for i := range 8 {
		clients.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 7))
			for range 6 {
				conn, err := blocking.Dial(timeout(t), b.URL(), blocking.WithRecovery(nil))
				if err != nil {
					t.Error(err)
					return
				}
				actAtRandom(conn, r)
				conn.Close(timeout(t))
			}
		})
	}
	clients.Wait()
	eventually(t, "all connections have ended", func() bool { s := b.State(); return len(s.Connections) == 0 })
	s := b.State()
	if len(s.Consumers) != 0 {
		t.Errorf("%d consumers are left", len(s.Consumers))
	}
	ch := dial(t, b.URL())
	for _, q := range s.Queues {
		if q.Unacked != 0 || q.UnackedBytes != 0 || q.Exclusive {
			t.Errorf("queue %s: %d messages of %d bytes are out, exclusive is %v", q.Name, q.Unacked, q.UnackedBytes, q.Exclusive)
		}
		if _, err := ch.QueueDelete(timeout(t), &blocking.QueueDelete{Queue: q.Name}); err != nil {
			t.Error(err)
		}
	}
	if s := b.State(); s.Memory != 0 {
		t.Errorf("%d bytes are held by no queue", s.Memory)
	}
}

// actAtRandom does things on channels that an error may end, in a bounded time.
func actAtRandom(conn *blocking.Conn, r *rand.Rand) {
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	for range 16 {
		ch, err := conn.Channel(ctx)
		if err != nil {
			return
		}
		if r.IntN(4) == 0 {
			_ = ch.TxSelect(ctx)
		}
		for range 60 {
			select {
			case <-ch.Done():
				continue
			default:
			}
			act(ctx, ch, r)
		}
		if r.IntN(2) == 0 {
			_ = ch.Close(ctx)
		}
	}
}

// act does one thing. Being refused is as good as success.
func act(ctx context.Context, ch *blocking.Channel, r *rand.Rand) {
	queue := fmt.Sprintf("q%d", r.IntN(6))
	switch r.IntN(12) {
	case 0:
		_, _ = ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: queue, AutoDelete: queue == "q1", Exclusive: queue == "q2", Arguments: arguments(queue)})
	case 1:
		_ = ch.QueueBind(ctx, &blocking.QueueBind{Queue: queue, Exchange: "amq.topic", RoutingKey: "a.#"})
	case 2:
		if r.IntN(4) == 0 {
			_, _ = ch.QueueDelete(ctx, &blocking.QueueDelete{Queue: queue})
		}
	case 3, 4, 5:
		_ = ch.Publish(ctx, &blocking.Publishing{RoutingKey: queue, Body: make([]byte, r.IntN(2000)), Properties: &blocking.Properties{DeliveryMode: blocking.Persistent}})
	case 6, 7:
		_ = ch.Publish(ctx, &blocking.Publishing{Exchange: "amq.topic", RoutingKey: "a.b", Mandatory: true})
	case 8:
		if d, _ := ch.Get(ctx, &blocking.Get{Queue: queue, NoAck: r.IntN(2) == 0}); d != nil && r.IntN(2) == 0 {
			_ = d.Nack(r.IntN(2) == 0)
		}
	case 9:
		_ = ch.Recover(ctx)
	case 10:
		_ = ch.TxCommit(ctx)
	case 11:
		consumeAtRandom(ctx, ch, queue, r)
	}
}

func arguments(queue string) blocking.Table {
	switch queue {
	case "q3":
		return blocking.Table{"x-max-length": 5, "x-dead-letter-exchange": "amq.topic", "x-dead-letter-routing-key": "a"}
	case "q4":
		return blocking.Table{"x-message-ttl": 1, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "q0"}
	case "q5":
		return blocking.Table{"x-max-priority": 5, "x-single-active-consumer": true}
	}
	return nil
}

func consumeAtRandom(ctx context.Context, ch *blocking.Channel, queue string, r *rand.Rand) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(r.IntN(20))*time.Millisecond)
	defer cancel()
	for d, err := range ch.Consume(ctx, &blocking.Consume{Queue: queue, Prefetch: 1 + r.IntN(5)}) {
		if err != nil {
			return
		}
		switch r.IntN(3) {
		case 0:
			_ = d.Ack()
		case 1:
			_ = d.Nack(r.IntN(2) == 0)
		}
	}
}
