//go:build !windows

// Bring-your-loop publishes and consumes over a loop that haypile does not have:
// package netpollloop, written against the contract of haypile's adapters, in a
// module of its own. Without -url, a broker in the program runs on that loop, too.
//
//	cd examples/bring-your-loop && go run .
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"time"

	"example.com/bring-your-loop/netpollloop"
	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/broker"
)

func main() {
	log.SetFlags(0)
	url := flag.String("url", "", "AMQP URI of a broker, such as amqp://guest:guest@localhost/; without it, one is embedded")
	flag.Parse()
	if flag.NArg() > 0 {
		log.Fatalf("%q is no flag; see -help", flag.Arg(0))
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := run(ctx, *url)
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		err = fmt.Errorf("%w\nIs a broker running there? Without -url, this example brings its own", err)
	}
	if err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, url string) error {
	loop := netpollloop.New()
	defer func() {
		loop.Close()
		<-loop.Done()
	}()
	if url == "" {
		b, err := broker.Start(broker.WithLoop(loop))
		if err != nil {
			return err
		}
		defer b.Stop(ctx)
		url = b.URL()
		fmt.Println("on a broker embedded in this program; name another one by -url")
	}
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
