package broker_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/broker"
)

// bound is how long a test waits for what must come.
const bound = 2 * time.Minute

func start(t *testing.T, opts ...broker.Option) *broker.Broker {
	t.Helper()
	b, err := broker.Start(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), bound)
		defer cancel()
		if err := b.Stop(ctx); err != nil {
			t.Errorf("Stop: %v", err)
		}
	})
	return b
}

func timeout(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	t.Cleanup(cancel)
	return ctx
}

// dial connects to the broker and opens a channel.
func dial(t *testing.T, url string) *blocking.Channel {
	t.Helper()
	conn, err := blocking.Dial(timeout(t), url, blocking.WithRecovery(nil))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(timeout(t)) })
	ch, err := conn.Channel(timeout(t))
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

func TestAMessageGoesThrough(t *testing.T) {
	ch := dial(t, start(t).URL())
	ctx := timeout(t)
	if _, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "jobs", Durable: true}); err != nil {
		t.Fatal(err)
	}
	if err := ch.PublishConfirm(ctx, &blocking.Publishing{RoutingKey: "jobs", Body: []byte("work")}); err != nil {
		t.Fatal(err)
	}
	for d, err := range ch.Consume(ctx, &blocking.Consume{Queue: "jobs"}) {
		if err != nil {
			t.Fatal(err)
		}
		if string(d.Body) != "work" || d.RoutingKey != "jobs" || d.Redelivered {
			t.Errorf("got %q with the key %q, redelivered %v", d.Body, d.RoutingKey, d.Redelivered)
		}
		if err := d.Ack(); err != nil {
			t.Fatal(err)
		}
		break
	}
}

func TestRefusalsAreInRabbitMQsWords(t *testing.T) {
	ch := dial(t, start(t).URL())
	_, err := ch.QueueDeclare(timeout(t), &blocking.QueueDeclare{Queue: "none", Passive: true})
	var e *blocking.Error
	if !errors.As(err, &e) || e.Text != "NOT_FOUND - no queue 'none' in vhost '/'" || e.Code != blocking.NotFound {
		t.Errorf("got %v", err)
	}
}
