// Quickstart declares a queue, publishes with confirms, consumes and acks.
//
//	go run ./examples/quickstart
package main

import (
	"context"
	"fmt"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/examples/internal/demo"
)

func main() { demo.Main(run) }

func run(ctx context.Context, url string) error {
	conn, err := blocking.Dial(ctx, url, blocking.WithName("quickstart"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	fmt.Println("connected")

	ch, err := conn.Channel(ctx)
	if err != nil {
		return err
	}
	queue, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Exclusive: true})
	if err != nil {
		return err
	}
	fmt.Println("declared", queue.Queue)

	const jobs = 5
	for i := range jobs {
		body := fmt.Sprintf("job %d", i)
		err := ch.PublishConfirm(ctx, &blocking.Publishing{RoutingKey: queue.Queue, Mandatory: true, Body: []byte(body)})
		if err != nil {
			return err
		}
		fmt.Println("the broker has", body)
	}

	done := 0
	for d, err := range ch.Consume(ctx, &blocking.Consume{Queue: queue.Queue}) {
		if err != nil {
			return err
		}
		fmt.Println("got", string(d.Body))
		if err := d.Ack(); err != nil {
			return err
		}
		if done++; done == jobs {
			break
		}
	}
	fmt.Println("all done")
	return conn.Close(ctx)
}
