package broker_test

import (
	"context"
	"errors"
	"testing"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/broker"
)

func TestBlockStopsThosePublishing(t *testing.T) {
	b := broker.RunT(t)
	events := make(chan blocking.Event, 10)
	ch, ctx := openChannel(t, b, blocking.WithEvents(func(e blocking.Event) { events <- e })), testContext(t)
	reader := openChannel(t, b)
	makeQueues(t, ch, "q")
	b.Block("low on disk")
	mustPublish(t, ch, "q", "still taken")
	if e, ok := (<-events).(blocking.Blocked); !ok || e.Reason != "low on disk" {
		t.Errorf("the event is %+v", e)
	}
	if d, err := reader.Get(ctx, &blocking.Get{Queue: "q", NoAck: true}); err != nil || d == nil {
		t.Errorf("who does not publish gets %v, %v", d, err)
	}
	published := make(chan error, 1)
	go func() {
		published <- ch.PublishConfirm(ctx, &blocking.Publishing{RoutingKey: "q", Body: []byte("waits")})
	}()
	if s := b.State(); !s.MemoryAlarm || s.Queue("/", "q").Ready != 0 {
		t.Errorf("alarm: %t, the queue is %+v", s.MemoryAlarm, s.Queue("/", "q"))
	}
	b.Unblock()
	if e, ok := (<-events).(blocking.Unblocked); !ok {
		t.Errorf("the event is %+v", e)
	}
	if err := <-published; err != nil {
		t.Error(err)
	}
}

func TestCancelledConsumersAreTold(t *testing.T) {
	b := broker.RunT(t)
	ch, ctx := openChannel(t, b), testContext(t)
	makeQueues(t, ch, "q")
	ended := make(chan error, 2)
	for range 2 {
		go func() {
			ended <- ch.Handle(ctx, &blocking.Handle{Consume: blocking.Consume{Queue: "q"}}, func(context.Context, *blocking.Delivery) error { return nil })
		}()
	}
	if err := b.WaitConsumers(ctx, "q", 2); err != nil {
		t.Fatal(err)
	}
	if n := b.CancelConsumers("q"); n != 2 {
		t.Errorf("%d consumers were cancelled", n)
	}
	for range 2 {
		if err := <-ended; !errors.Is(err, blocking.ErrCanceled) {
			t.Errorf("a consumer ended with %v", err)
		}
	}
	if err := b.WaitConsumers(ctx, "q", 0); err != nil {
		t.Error(err)
	}
	if n := b.CancelConsumers("none"); n != 0 {
		t.Errorf("%d consumers of no queue were cancelled", n)
	}
}
