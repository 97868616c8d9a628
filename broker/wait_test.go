package broker_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/broker"
)

func TestWaitsEndWhenTheStateIsAsWanted(t *testing.T) {
	b := broker.RunT(t)
	ctx := testContext(t)
	ch := openChannel(t, b)
	makeQueues(t, ch, "q")
	for range 3 {
		mustPublish(t, ch, "q", "job")
	}
	if err := b.WaitReady(ctx, "q", 3); err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	consumer, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		ended <- openChannel(t, b).Handle(consumer, &blocking.Handle{Consume: blocking.Consume{Queue: "q"}}, func(context.Context, *blocking.Delivery) error {
			<-release
			return nil
		})
	}()
	for what, err := range map[string]error{
		"a consumer":           b.WaitConsumers(ctx, "q", 1),
		"three unacknowledged": b.WaitUnacked(ctx, "q", 3),
		"two connections":      b.WaitConnections(ctx, 2),
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	close(release)
	if err := b.WaitEmpty(ctx, "q"); err != nil {
		t.Error(err)
	}
	stop()
	<-ended
	if err := b.WaitConsumers(ctx, "q", 0); err != nil {
		t.Error(err)
	}
}

func TestAWaitThatEndsWithItsContextTellsWhatThereIs(t *testing.T) {
	b := broker.RunT(t)
	ch := openChannel(t, b)
	makeQueues(t, ch, "jobs")
	mustPublish(t, ch, "jobs", "left over")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := b.WaitEmpty(ctx, "jobs")
	var w *broker.WaitError
	if !errors.As(err, &w) || !errors.Is(err, context.Canceled) || w.State.Queue("/", "jobs").Ready != 1 {
		t.Fatalf("the error is %v", err)
	}
	if text := err.Error(); !strings.HasPrefix(text, "amqp: ") || !strings.Contains(text, "/ jobs: 1 ready, 0 unacked, 0 consumers") {
		t.Errorf("the error says %q", text)
	}
}
