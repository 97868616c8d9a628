package blocking_test

import (
	"context"
	"errors"
	"expvar"
	"fmt"
	"log/slog"
	"os"
	"strings"
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

// A password that is renewed from time to time, and waits that end.
func ExampleWithCredentials() {
	ctx := context.Background()
	conn, err := blocking.Dial(ctx, "amqp://localhost/",
		blocking.WithCredentials(func(context.Context) (blocking.Mechanism, error) {
			password, err := os.ReadFile("/run/secrets/rabbitmq")
			return blocking.Plain("worker", blocking.NewSecret(strings.TrimSpace(string(password)))), err
		}),
		blocking.WithRPCTimeout(30*time.Second))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close(ctx)
}

// One goroutine publishes many messages, at most a thousand ahead of the broker.
func ExampleChannel_PublishDeferred() {
	ctx := context.Background()
	var conn *blocking.Conn // from Dial
	publish := func(rows [][]byte) error {
		ch, err := conn.Channel(ctx, blocking.WithConfirmWindow(1000))
		if err != nil {
			return err
		}
		defer ch.Close(ctx)
		sent := make([]*blocking.Deferred, len(rows))
		for i, row := range rows {
			if sent[i], err = ch.PublishDeferred(ctx, &blocking.Publishing{RoutingKey: "rows", Body: row}); err != nil {
				return err
			}
		}
		for i, d := range sent {
			if err := d.Wait(ctx); err != nil {
				return fmt.Errorf("row %d: %w", i, err)
			}
		}
		return nil
	}
	_ = publish
}

// A loop that does something else when nothing came for a minute.
func ExampleChannel_Consume_inactivity() {
	var ch *blocking.Channel // from Conn.Channel
	consume := func(ctx context.Context) error {
		for d, err := range ch.Consume(ctx, &blocking.Consume{Queue: "jobs", Inactivity: time.Minute}) {
			if errors.Is(err, blocking.ErrInactive) {
				fmt.Println("nothing to do")
				continue
			}
			if err != nil {
				return err
			}
			fmt.Printf("%s\n", d.Body)
			d.Ack()
		}
		return nil
	}
	_ = consume
}

// Rows are written by the hundred, or after a second, and acknowledged together.
func ExampleChannel_ConsumeBatches() {
	var conn *blocking.Conn // from Dial
	insert := func([]*blocking.Delivery) error { return nil }
	consume := func(ctx context.Context) error {
		ch, err := conn.Channel(ctx, blocking.WithMergedAcks())
		if err != nil {
			return err
		}
		defer ch.Close(ctx)
		for batch, err := range ch.ConsumeBatches(ctx, &blocking.Consume{Queue: "rows"}, 100, time.Second) {
			if err != nil {
				return err
			}
			if err := insert(batch); err != nil {
				return err // what is not acknowledged goes back when the channel ends
			}
			for _, d := range batch {
				d.Ack()
			}
		}
		return nil
	}
	_ = consume
}

// Eight workers, the messages of each customer in their order. What fails twice is
// dead-lettered.
func ExampleChannel_Handle() {
	var ch *blocking.Channel // from Conn.Channel
	work := func(ctx context.Context) error {
		return ch.Handle(ctx, &blocking.Handle{
			Consume: blocking.Consume{Queue: "orders", Prefetch: 100},
			Workers: 8,
			Key:     func(d *blocking.Delivery) string { return d.RoutingKey }, // the customer's number
		}, func(ctx context.Context, d *blocking.Delivery) error {
			fmt.Printf("%s\n", d.Body)
			return nil
		})
	}
	_ = work
}

// A request and its reply.
func ExampleConn_Caller() {
	var conn *blocking.Conn // from Dial
	ask := func(ctx context.Context) error {
		caller, err := conn.Caller(ctx)
		if err != nil {
			return err
		}
		defer caller.Close(ctx)
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		reply, err := caller.Call(ctx, &blocking.Publishing{RoutingKey: "add", Body: []byte("1 2")})
		if errors.Is(err, blocking.ErrUnroutable) {
			return fmt.Errorf("nobody adds: %w", err)
		}
		if err != nil {
			return err
		}
		fmt.Printf("%s\n", reply.Body)
		return nil
	}
	_ = ask
}

// The program that answers.
func ExampleChannel_Serve() {
	var ch *blocking.Channel // from Conn.Channel
	serve := func(ctx context.Context) error {
		return ch.Serve(ctx, &blocking.Handle{Consume: blocking.Consume{Queue: "add"}, Workers: 4},
			func(ctx context.Context, request *blocking.Delivery) (*blocking.Publishing, error) {
				var a, b int
				if _, err := fmt.Sscan(string(request.Body), &a, &b); err != nil {
					return &blocking.Publishing{Body: []byte(err.Error())}, nil
				}
				return &blocking.Publishing{Body: fmt.Append(nil, a+b)}, nil
			})
	}
	_ = serve
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
