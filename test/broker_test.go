package test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
)

func TestBrokerClosesTheConnection(t *testing.T) {
	node := startNode(t)
	conn := dialURL(t, nodeURL(node))
	ch := channel(t, conn)
	ctx := testContext(t)
	if _, err := node.Ctl(ctx, "close_all_connections", "for the test"); err != nil {
		t.Fatal(err)
	}
	<-conn.Done()
	if err := conn.Err(); !errors.Is(err, blocking.ConnectionForced) {
		t.Errorf("connection ended with %v", err)
	}
	want(t, ch.Err(), "CONNECTION_FORCED", "for the test")
}

func TestKilledBrokerEndsEverything(t *testing.T) {
	node := startNode(t)
	conn := dialURL(t, nodeURL(node))
	ch := channel(t, conn)
	q := queue(t, ch)
	ended := make(chan error, 1)
	go func() {
		for _, err := range ch.Consume(testContext(t), &blocking.Consume{Queue: q}) {
			ended <- err
		}
	}()
	eventually(t, "consumer there", func() bool {
		ok, err := ch.QueueDeclare(testContext(t), &blocking.QueueDeclare{Queue: q, Passive: true})
		return err == nil && ok.ConsumerCount == 1
	})
	if err := node.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, blocking.ErrClosed) {
		t.Errorf("consumer ended with %v", err)
	}
	<-conn.Done()
	as[*blocking.TransportError](t, conn.Err())
}

func TestDeletedQueueEndsItsConsumer(t *testing.T) {
	conn := dial(t, "")
	ch, other := channel(t, conn), channel(t, conn)
	ctx := testContext(t)
	q := queue(t, ch)
	if err := ch.Publish(ctx, &blocking.Publishing{RoutingKey: q}); err != nil {
		t.Fatal(err)
	}
	var end error
	for d, err := range ch.Consume(ctx, &blocking.Consume{Queue: q}) {
		if err != nil {
			end = err
			break
		}
		d.Ack()
		if _, err := other.QueueDelete(ctx, &blocking.QueueDelete{Queue: q}); err != nil {
			t.Fatal(err)
		}
	}
	if !errors.Is(end, blocking.ErrCanceled) {
		t.Errorf("consumer ended with %v", end)
	}
	if queue(t, ch) == "" {
		t.Error("the channel does not work any more")
	}
}

func TestMemoryAlarmHoldsPublishesAndNothingElse(t *testing.T) {
	node := startNode(t)
	ctx := testContext(t)
	publisher, consumer := dialURL(t, with(nodeURL(node), "heartbeat=1")), dialURL(t, with(nodeURL(node), "heartbeat=1"))
	out, in := channel(t, publisher), channel(t, consumer)
	q := queue(t, in)
	for range 2 {
		if err := in.Publish(ctx, &blocking.Publishing{RoutingKey: q}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := node.Ctl(ctx, "set_vm_memory_high_watermark", "0.0000001"); err != nil {
		t.Fatal(err)
	}
	// The broker tells a connection when it publishes.
	eventually(t, "publisher blocked", func() bool {
		short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		out.PublishConfirm(short, &blocking.Publishing{RoutingKey: q})
		return publisher.IsBlocked()
	})
	short, cancel := context.WithTimeout(ctx, 5*time.Second) // several heartbeat intervals
	defer cancel()
	if err := out.Publish(short, &blocking.Publishing{RoutingKey: q}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("publish during the alarm: %v", err)
	}
	for d, err := range in.Consume(ctx, &blocking.Consume{Queue: q}) {
		if err != nil {
			t.Fatalf("consuming during the alarm: %v", err)
		}
		if err := d.Ack(); err != nil {
			t.Error(err)
		}
		break
	}
	if _, err := node.Ctl(ctx, "set_vm_memory_high_watermark", "0.4"); err != nil {
		t.Fatal(err)
	}
	if err := out.PublishConfirm(ctx, &blocking.Publishing{RoutingKey: q}); err != nil {
		t.Errorf("publish after the alarm: %v", err)
	}
}
