package blocking_test

import (
	"context"
	"errors"
	"expvar"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/stdnet"
)

func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := blocking.Dial(ctx, "amqp://guest:guest@localhost/", blocking.WithName("worker"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close(ctx)
	ch, err := conn.Channel(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	for d, err := range ch.Consume(ctx, &blocking.Consume{Queue: "jobs", Prefetch: 10}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s\n", d.Body)
		d.Ack()
	}
}

// The outcomes of a publish that matter to a program.
func ExampleChannel_PublishConfirm() {
	var ch *blocking.Channel // from Conn.Channel
	publish := func(ctx context.Context, body []byte) {
		err := ch.PublishConfirm(ctx, &blocking.Publishing{
			Exchange: "orders", RoutingKey: "new", Mandatory: true,
			Properties: &blocking.Properties{DeliveryMode: blocking.Persistent},
			Body:       body,
		})
		switch {
		case err == nil:
			// The broker has it.
		case errors.Is(err, blocking.ErrUnroutable), errors.Is(err, blocking.ErrNacked):
			// It does not, and says so.
		case errors.Is(err, blocking.ErrUnknownOutcome):
			// The channel or the connection ended first: publish again, and let
			// the receiver sort out doubles.
		}
	}
	_ = publish
}

// Connections may share a loop of the deployment's choice.
func ExampleWithLoop() {
	ctx := context.Background()
	loop := stdnet.New()
	defer loop.Close()
	for _, url := range []string{"amqp://rabbit1/", "amqp://rabbit2/"} {
		conn, err := blocking.Dial(ctx, url, blocking.WithLoop(loop))
		if err != nil {
			fmt.Println(err)
			return
		}
		defer conn.Close(ctx)
	}
}

// A client that tries for an hour to come back, sends unconfirmed messages again,
// and says what happens.
func ExampleWithRecovery() {
	ctx := context.Background()
	conn, err := blocking.Dial(ctx, "amqp://rabbit1,rabbit2/",
		blocking.WithRecovery(&blocking.Recovery{Timeout: time.Hour, Republish: true}),
		blocking.WithEvents(func(e blocking.Event) {
			switch e := e.(type) {
			case blocking.Lost:
				fmt.Println("lost:", e.Err)
			case blocking.Recovered:
				fmt.Println("back after", e.After)
			case blocking.EntityFailed:
				fmt.Println("not made again:", e.Entity.Kind, e.Entity.Name, e.Err)
			}
		}))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close(ctx)
}

// What a program needs is declared when it starts, whether it is there or not.
func ExampleConn_Declare() {
	var conn *blocking.Conn // from Dial
	start := func(ctx context.Context) error {
		err := conn.Declare(ctx, &blocking.Topology{
			Exchanges:     []blocking.ExchangeDeclare{{Exchange: "orders", Type: "topic", Durable: true}},
			Queues:        []blocking.QueueDeclare{{Queue: "billing", Durable: true, Arguments: blocking.Table{"x-queue-type": "quorum"}}},
			QueueBindings: []blocking.QueueBind{{Queue: "billing", Exchange: "orders", RoutingKey: "order.*"}},
		})
		var refused *blocking.DeclareError
		if errors.As(err, &refused) && refused.Argument != "" {
			return fmt.Errorf("delete or rename %s, or keep its %s at %s", refused.Entity, refused.Argument, refused.Existing)
		}
		return err
	}
	_ = start
}

// Hundreds of goroutines publish; consumers have a connection of their own.
func ExampleDialPool() {
	ctx := context.Background()
	pool, err := blocking.DialPool(ctx, "amqp://guest:guest@localhost/", blocking.PoolSize{}, blocking.WithName("shop"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close(ctx)
	var wg sync.WaitGroup
	for i := range 500 {
		wg.Go(func() {
			err := pool.PublishConfirm(ctx, &blocking.Publishing{RoutingKey: "jobs", Body: fmt.Append(nil, i)})
			if err != nil {
				fmt.Println(err)
			}
		})
	}
	wg.Wait()
	fmt.Println(pool.Stats().Confirmed, "messages are in the broker's hands")
}

// Statistics for whatever collects them, here a page of expvar.
func ExampleConn_Stats() {
	var conn *blocking.Conn // from Dial
	expvar.Publish("amqp", expvar.Func(func() any { return conn.Stats() }))
}

// Hooks that tell how long each confirm took.
func ExampleWithHooks() {
	slow := blocking.WithHooks(blocking.Hooks{
		Publish: func(_ context.Context, _ *blocking.Channel, p *blocking.Publishing) (*blocking.Publishing, func(error)) {
			begin := time.Now()
			return p, func(err error) { slog.Info("published", "key", p.RoutingKey, "took", time.Since(begin), "error", err) }
		},
	})
	conn, err := blocking.Dial(context.Background(), "amqp://localhost/", slow, blocking.WithLogger(slog.Default()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close(context.Background())
}
