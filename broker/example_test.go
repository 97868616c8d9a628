package broker_test

import (
	"context"
	"fmt"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/broker"
)

// A program that talks to a broker of its own, with nothing installed.
func Example() {
	ctx := context.Background()
	b, err := broker.Start()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Stop(ctx)
	conn, err := blocking.Dial(ctx, b.URL())
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
	if _, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "jobs", Durable: true}); err != nil {
		fmt.Println(err)
		return
	}
	if err := ch.PublishConfirm(ctx, &blocking.Publishing{RoutingKey: "jobs", Body: []byte("work")}); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(b.State().Queue("/", "jobs").Ready, "message waits")
	// Output: 1 message waits
}
