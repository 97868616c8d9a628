//go:build !windows

// Bring-your-loop publishes and consumes over a loop that haypile does not have:
// package netpollloop, written against the contract of haypile's adapters, in a
// module of its own.
//
//	cd examples/bring-your-loop && go run . -url amqp://guest:guest@localhost/
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"time"

	"example.com/bring-your-loop/netpollloop"
	"github.com/haypile/haypile/adapters/blocking"
)

func main() {
	log.SetFlags(0)
	url := flag.String("url", "amqp://guest:guest@localhost/", "AMQP URI of a RabbitMQ")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx, *url); err != nil {
		log.Fatalf("%v\nThis example needs a RabbitMQ: start one, or name yours by -url", err)
	}
}

func run(ctx context.Context, url string) error {
	loop := netpollloop.New()
	defer func() {
		loop.Close()
		<-loop.Done()
	}()
	conn, err := blocking.Dial(ctx, url, blocking.WithLoop(loop))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	ch, err := conn.Channel(ctx)
	if err != nil {
		return err
	}
	q, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Exclusive: true})
	if err != nil {
		return err
	}
	const messages = 3
	for i := range messages {
		p := &blocking.Publishing{RoutingKey: q.Queue, Mandatory: true, Body: fmt.Appendf(nil, "message %d", i+1)}
		if err := ch.PublishConfirm(ctx, p); err != nil {
			return err
		}
	}
	fmt.Println("netpoll took", messages, "messages to the broker")
	got := 0
	for d, err := range ch.Consume(ctx, &blocking.Consume{Queue: q.Queue}) {
		if err != nil {
			return err
		}
		fmt.Printf("and brought back %q\n", d.Body)
		if err := d.Ack(); err != nil {
			return err
		}
		if got++; got == messages {
			break
		}
	}
	return conn.Close(ctx)
}
