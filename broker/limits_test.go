package broker_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/broker"
	"github.com/haypile/haypile/core/wire"
)

// refused fails the test unless the error is the broker's, with that code and text.
func refused(t *testing.T, err error, code wire.Code, text string) {
	t.Helper()
	var e *blocking.Error
	if !errors.As(err, &e) || e.Code != code || !strings.HasSuffix(e.Text, text) {
		t.Errorf("got %v, not %d %q", err, code, text)
	}
}

func TestWhatClientsMakeIsLimited(t *testing.T) {
	for name, c := range map[string]struct {
		limits broker.Limits
		code   wire.Code
		text   string
		add    func(ch *blocking.Channel, name string) error
		remove func(ch *blocking.Channel, name string) error
	}{
		"queues": {broker.Limits{Queues: 2}, wire.PreconditionFailed, "cannot declare queue 'c': queue limit in cluster (2) is reached", addQueue, removeQueue},
		"exchanges": {broker.Limits{Exchanges: 2}, wire.PreconditionFailed, "cannot declare exchange 'c' in vhost '/': exchange limit of 2 is reached",
			func(ch *blocking.Channel, name string) error {
				return ch.ExchangeDeclare(t.Context(), &blocking.ExchangeDeclare{Exchange: name, Type: "topic", Durable: true})
			},
			func(ch *blocking.Channel, name string) error {
				return ch.ExchangeDelete(t.Context(), &blocking.ExchangeDelete{Exchange: name})
			}},
		"bindings": {broker.Limits{Bindings: 2}, wire.PreconditionFailed, "cannot bind to exchange 'amq.topic' in vhost '/': binding limit of 2 is reached",
			func(ch *blocking.Channel, name string) error {
				return ch.QueueBind(t.Context(), &blocking.QueueBind{Queue: "bound", Exchange: "amq.topic", RoutingKey: name})
			},
			func(ch *blocking.Channel, name string) error {
				return ch.QueueUnbind(t.Context(), &blocking.QueueUnbind{Queue: "bound", Exchange: "amq.topic", RoutingKey: name})
			}},
		"definitions": {broker.Limits{Definitions: 2 * 2048}, wire.PreconditionFailed, "limit of 4096 bytes of definitions is reached", addQueue, removeQueue},
		"arguments": {broker.Limits{Definitions: 18_000}, wire.PreconditionFailed, "limit of 18000 bytes of definitions is reached",
			func(ch *blocking.Channel, name string) error {
				_, err := ch.QueueDeclare(t.Context(), &blocking.QueueDeclare{Queue: name, Durable: true, Arguments: blocking.Table{"note": strings.Repeat("x", 300)}})
				return err
			}, removeQueue},
	} {
		t.Run(name, func(t *testing.T) {
			b := broker.RunT(t, broker.WithLimits(c.limits))
			conn := attach(t, b)
			ch := openChannel(t, b)
			if name == "bindings" {
				makeQueues(t, ch, "bound")
			}
			for _, n := range []string{"a", "b", "a"} { // what is there is made again
				if err := c.add(ch, n); err != nil {
					t.Fatal(err)
				}
			}
			doomed, err := conn.Channel(testContext(t))
			if err != nil {
				t.Fatal(err)
			}
			refused(t, c.add(doomed, "c"), c.code, c.text)
			if err := c.remove(ch, "a"); err != nil {
				t.Fatal(err)
			}
			if err := c.add(ch, "c"); err != nil {
				t.Errorf("with one less: %v", err)
			}
		})
	}
}

func addQueue(ch *blocking.Channel, name string) error {
	_, err := ch.QueueDeclare(context.Background(), &blocking.QueueDeclare{Queue: name, Durable: true})
	return err
}

func removeQueue(ch *blocking.Channel, name string) error {
	_, err := ch.QueueDelete(context.Background(), &blocking.QueueDelete{Queue: name})
	return err
}

func TestConnectionsAreLimited(t *testing.T) {
	b := broker.RunT(t, broker.WithLimits(broker.Limits{Connections: 1}))
	first := attach(t, b)
	_, err := blocking.Dial(testContext(t), memoryURL, blocking.WithRecovery(nil), inMemory(b))
	refused(t, err, wire.NotAllowed, "connection refused: node connection limit (1) is reached")
	if err := first.Close(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if err := b.WaitFor(testContext(t), func(s *broker.State) bool { return len(s.Connections) == 0 }); err != nil {
		t.Fatal(err)
	}
	attach(t, b)
}

func TestChannelsAreLimited(t *testing.T) {
	b := broker.RunT(t, broker.WithLimits(broker.Limits{Channels: 2}))
	first := openChannel(t, b)
	makeQueues(t, first, "q") // by now the channel is open
	other := attach(t, b)
	ch, err := other.Channel(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.Close(testContext(t)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, _ = other.Channel(testContext(t)) // is answered before it is refused
	}
	select {
	case <-other.Done():
	case <-testContext(t).Done():
		t.Fatal("a channel more than the limit is open")
	}
	refused(t, other.Err(), wire.NotAllowed, "has reached the maximum allowed limit of (2)")
	makeQueues(t, first, "goes on")
}

func TestConsumersOfAChannelAreLimited(t *testing.T) {
	b := broker.RunT(t, broker.WithLimits(broker.Limits{Consumers: 1}))
	ch := openChannel(t, b)
	makeQueues(t, ch, "q")
	ctx := testContext(t)
	go func() {
		for range ch.Consume(ctx, &blocking.Consume{Queue: "q"}) {
		}
	}()
	if err := b.WaitConsumers(ctx, "q", 1); err != nil {
		t.Fatal(err)
	}
	for _, err := range ch.Consume(ctx, &blocking.Consume{Queue: "q"}) {
		refused(t, err, wire.NotAllowed, "reached maximum (1) of consumers per channel")
	}
}

func TestAnAutoDeletedExchangeIsCountedAnew(t *testing.T) {
	b := broker.RunT(t)
	ch, ctx := openChannel(t, b), testContext(t)
	for _, unbind := range []func() error{
		func() error {
			return ch.QueueUnbind(ctx, &blocking.QueueUnbind{Queue: "q", Exchange: "x"})
		},
		func() error { return removeQueue(ch, "q") },
		func() error { return nil },
	} {
		makeQueues(t, ch, "q")
		if err := ch.ExchangeDeclare(ctx, &blocking.ExchangeDeclare{Exchange: "x", Type: "fanout", Durable: true, AutoDelete: true}); err != nil {
			t.Fatal(err)
		}
		if err := ch.QueueBind(ctx, &blocking.QueueBind{Queue: "q", Exchange: "x"}); err != nil {
			t.Fatal(err)
		}
		if err := ch.PublishConfirm(ctx, &blocking.Publishing{Exchange: "x"}); err != nil {
			t.Fatal(err)
		}
		s := b.State()
		if x := s.Exchange("/", "x"); x.In != 1 {
			t.Errorf("%d messages went into the exchange", x.In)
		}
		if err := unbind(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLimitsAreNotNegative(t *testing.T) {
	if _, err := broker.New(broker.WithLimits(broker.Limits{Queues: -1})); err == nil {
		t.Error("accepted")
	}
}
