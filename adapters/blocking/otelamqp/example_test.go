package otelamqp_test

import (
	"context"
	"fmt"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/blocking/otelamqp"
)

// A worker whose messages are traced. What it does for one is given the message's
// context, so that it becomes part of the trace.
func Example() {
	ctx := context.Background()
	conn, err := blocking.Dial(ctx, "amqp://guest:guest@localhost/", otelamqp.Instrument(otelamqp.Options{}))
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
	work := func(ctx context.Context, body []byte) {}
	for d, err := range ch.Consume(ctx, &blocking.Consume{Queue: "jobs"}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		work(d.Context(), d.Body)
		d.Ack()
	}
}
