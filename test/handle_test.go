package test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
)

// fill publishes numbered messages, confirmed, with a header "group" of so many
// values.
func fill(t *testing.T, ch *blocking.Channel, q string, n, groups int) {
	t.Helper()
	var last *blocking.Deferred
	for i := range n {
		var err error
		last, err = ch.PublishDeferred(testContext(t), &blocking.Publishing{
			RoutingKey: q, Body: fmt.Append(nil, i), Properties: &blocking.Properties{Type: fmt.Sprint(i % groups)},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := last.Wait(testContext(t)); err != nil {
		t.Fatal(err)
	}
}

// left is how many messages the queue has when nobody holds any.
func left(t *testing.T, conn *blocking.Conn, q string) uint32 {
	t.Helper()
	ok, err := channel(t, conn).QueueDeclare(testContext(t), &blocking.QueueDeclare{Queue: q, Passive: true})
	if err != nil {
		t.Fatal(err)
	}
	return ok.MessageCount
}

func TestBatchesWithMergedAcksLeaveNothingBehind(t *testing.T) {
	const n, size = 2500, 100
	conn := dial(t, "")
	ctx := testContext(t)
	q := queue(t, channel(t, conn))
	fill(t, channel(t, conn), q, n, 1)
	ch, err := conn.Channel(ctx, blocking.WithMergedAcks())
	if err != nil {
		t.Fatal(err)
	}
	next := 0
	for batch, err := range ch.ConsumeBatches(ctx, &blocking.Consume{Queue: q, Inactivity: bound}, size, 100*time.Millisecond) {
		if err != nil {
			t.Fatal(err)
		}
		if len(batch) == 0 || len(batch) > size {
			t.Fatalf("a batch of %d", len(batch))
		}
		for _, d := range batch {
			if string(d.Body) != fmt.Sprint(next) {
				t.Fatalf("message %s in the place of %d", d.Body, next)
			}
			if next++; next == 42 {
				err = d.Reject(false)
			} else {
				err = d.Ack()
			}
			if err != nil {
				t.Error(err)
			}
		}
		if next == n {
			break
		}
	}
	if err := ch.Close(ctx); err != nil { // the broker would refuse an ack too many
		t.Error(err)
	}
	if got := left(t, conn, q); got != 0 {
		t.Errorf("%d messages were left", got)
	}
}

func TestHandlersKeepTheOrderOfAKeyAndRequeueWhatFailed(t *testing.T) {
	const n, groups = 1000, 10
	var told atomic.Int32
	conn := dial(t, "", blocking.WithEvents(func(e blocking.Event) {
		if e, ok := e.(blocking.HandlerFailed); ok && e.Requeued {
			told.Add(1)
		}
	}))
	q := queue(t, channel(t, conn))
	fill(t, channel(t, conn), q, n, groups)
	ctx, cancel := context.WithCancel(testContext(t))
	var mu sync.Mutex
	done, last := map[string]bool{}, map[string]int{}
	ch := channel(t, conn)
	err := ch.Handle(ctx, &blocking.Handle{
		Consume: blocking.Consume{Queue: q, Prefetch: 50}, Workers: 8,
		Key: func(d *blocking.Delivery) string { key, _ := d.Properties.Type(); return key },
	}, func(_ context.Context, d *blocking.Delivery) error {
		mu.Lock()
		defer mu.Unlock()
		var i int
		if _, err := fmt.Sscan(string(d.Body), &i); err != nil {
			t.Error(err)
		}
		if i%100 == 50 && !d.Redelivered {
			panic("for the first time")
		}
		key, _ := d.Properties.Type()
		if !d.Redelivered {
			if i < last[key] {
				t.Errorf("message %d of key %s came behind %d", i, key, last[key])
			}
			last[key] = i
		}
		if done[string(d.Body)] = true; len(done) == n {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Handle returned %v", err)
	}
	eventually(t, "all failures are told", func() bool { return told.Load() == n/100 })
	if err := ch.Close(testContext(t)); err != nil {
		t.Error(err)
	}
	if got := left(t, conn, q); got != 0 {
		t.Errorf("%d messages were left", got)
	}
}

func TestTheConsumerOfHigherPriorityIsPreferred(t *testing.T) {
	const n = 20
	conn := dial(t, "")
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	q := queue(t, channel(t, conn))
	got := make(chan string, n)
	started := make(chan struct{})
	var wg sync.WaitGroup
	for _, priority := range []int{1, 10} {
		name, ch := fmt.Sprint("priority ", priority), channel(t, conn)
		wg.Go(func() {
			told := false
			for d, err := range ch.Consume(ctx, &blocking.Consume{Queue: q, Priority: priority, Inactivity: time.Millisecond}) {
				switch {
				case errors.Is(err, blocking.ErrInactive):
					if !told { // so the broker has the consumer
						started <- struct{}{}
						told = true
					}
				case err != nil:
					return
				default:
					got <- name
					d.Ack()
				}
			}
		})
	}
	<-started
	<-started
	fill(t, channel(t, conn), q, n, 1)
	for range n {
		if name := <-got; name != "priority 10" {
			t.Errorf("a message went to the one of %s", name)
		}
	}
	cancel()
	wg.Wait()
}
