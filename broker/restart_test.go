package broker_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/broker"
)

// What was confirmed before a restart is there after it, whatever else the clients
// were at.
func TestNothingConfirmedIsLostInRestartsUnderLoad(t *testing.T) {
	b := start(t)
	first := openChannel(t, b)
	makeQueues(t, first, "kept")
	if err := first.Conn().Close(timeout(t)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	working, finish := context.WithCancel(ctx)
	defer finish()
	var clients sync.WaitGroup
	var mu sync.Mutex
	confirmed := map[string]bool{}
	for i := range 4 {
		clients.Go(func() {
			for n := 0; working.Err() == nil; {
				publishUntilLost(working, b, func() string { n++; return fmt.Sprintf("%d-%d", i, n) }, func(body string) {
					mu.Lock()
					defer mu.Unlock()
					confirmed[body] = true
				})
			}
		})
		clients.Go(func() {
			for working.Err() == nil {
				nackUntilLost(working, b)
			}
		})
	}
	for want := range 5 {
		eventually(t, "more confirms", func() bool { mu.Lock(); defer mu.Unlock(); return len(confirmed) > 40*(want+1) })
		if err := b.Restart(ctx); err != nil {
			t.Fatal(err)
		}
	}
	finish()
	clients.Wait()
	eventually(t, "all clients are gone", func() bool { s := b.State(); return len(s.Connections) == 0 })
	ch := openChannel(t, b)
	for d, err := ch.Get(ctx, &blocking.Get{Queue: "kept", NoAck: true}); d != nil || err != nil; d, err = ch.Get(ctx, &blocking.Get{Queue: "kept", NoAck: true}) {
		if err != nil {
			t.Fatal(err)
		}
		delete(confirmed, string(d.Body))
	}
	if len(confirmed) > 0 {
		t.Errorf("%d messages are lost", len(confirmed))
	}
}

// publishUntilLost publishes and confirms until the connection ends.
func publishUntilLost(ctx context.Context, b *broker.Broker, next func() string, confirmed func(string)) {
	conn, err := blocking.Dial(ctx, memoryURL, blocking.WithRecovery(nil), inMemory(b))
	if err != nil {
		return
	}
	defer conn.Close(ctx)
	ch, err := conn.Channel(ctx)
	for err == nil {
		body := next()
		err = ch.PublishConfirm(ctx, &blocking.Publishing{RoutingKey: "kept", Body: []byte(body), Properties: &blocking.Properties{DeliveryMode: blocking.Persistent}})
		if err == nil {
			confirmed(body)
		}
	}
}

// nackUntilLost consumes and gives everything back until the connection ends.
func nackUntilLost(ctx context.Context, b *broker.Broker) {
	conn, err := blocking.Dial(ctx, memoryURL, blocking.WithRecovery(nil), inMemory(b))
	if err != nil {
		return
	}
	defer conn.Close(ctx)
	ch, err := conn.Channel(ctx)
	if err != nil {
		return
	}
	for d, err := range ch.Consume(ctx, &blocking.Consume{Queue: "kept", Prefetch: 20}) {
		if err != nil || d.Nack(true) != nil {
			return
		}
	}
}

func TestARestartKeepsLimitsAndCountsOfQueues(t *testing.T) {
	restart := func(t *testing.T, b *broker.Broker) *blocking.Channel {
		t.Helper()
		if err := b.Restart(timeout(t)); err != nil {
			t.Fatal(err)
		}
		return openChannel(t, b)
	}
	persistent := func(t *testing.T, ch *blocking.Channel, queue, body string) {
		t.Helper()
		err := ch.PublishConfirm(timeout(t), &blocking.Publishing{RoutingKey: queue, Body: []byte(body), Properties: &blocking.Properties{DeliveryMode: blocking.Persistent}})
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Run("those over a limit by coming back stay", func(t *testing.T) {
		b := start(t)
		ch := openChannel(t, b)
		declare(t, ch, "q", blocking.Table{"x-max-length": 1, "x-overflow": "reject-publish"})
		persistent(t, ch, "q", "1")
		get(t, ch, "q")
		persistent(t, ch, "q", "2")
		restart(t, b)
		if n := ready(b, "q"); n != 2 {
			t.Errorf("%d of 2 messages are there", n)
		}
	})
	t.Run("quorum queues go on counting deliveries", func(t *testing.T) {
		b := start(t)
		ch := openChannel(t, b)
		declare(t, ch, "q", blocking.Table{"x-queue-type": "quorum", "x-delivery-limit": 1})
		persistent(t, ch, "q", "poison")
		get(t, ch, "q")
		ch = restart(t, b)
		if err := get(t, ch, "q").Nack(true); err != nil {
			t.Fatal(err)
		}
		if err := b.WaitEmpty(timeout(t), "q"); err != nil {
			t.Error(err)
		}
	})
}

func TestWaitsAreToldOfRestartAndStop(t *testing.T) {
	b := start(t)
	ch := openChannel(t, b)
	makeQueues(t, ch, "q")
	mustPublish(t, ch, "q", "transient")
	for _, test := range []struct {
		name string
		do   func(context.Context) error
		is   func(*broker.State) bool
	}{
		{"Restart", b.Restart, func(s *broker.State) bool { q := s.Queue("/", "q"); return q != nil && q.Ready == 0 }},
		{"Stop", b.Stop, func(s *broker.State) bool { return len(s.Queues) == 0 }},
	} {
		waited, ended := make(chan error, 1), make(chan struct{})
		looked := make(chan struct{}, 1)
		go func() {
			defer close(ended)
			waited <- b.WaitFor(timeout(t), func(s *broker.State) bool {
				select {
				case looked <- struct{}{}:
				default:
				}
				return test.is(s)
			})
		}()
		<-looked
		if err := test.do(timeout(t)); err != nil {
			t.Fatal(err)
		}
		if err := <-waited; err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		<-ended
	}
}
