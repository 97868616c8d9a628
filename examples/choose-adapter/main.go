// Choose-adapter picks what its connection runs on by a flag; the rest of the
// program does not change.
//
//	go run ./examples/choose-adapter -adapter gnet
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"time"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/evio"
	"github.com/haypile/haypile/adapters/gnet"
	"github.com/haypile/haypile/adapters/stdnet"
	"github.com/haypile/haypile/examples/internal/demo"
	"github.com/haypile/haypile/ioloop"
)

var adapter = flag.String("adapter", "stdnet", "stdnet, ioloop, gnet or evio")

func main() { demo.Main(run) }

// newLoop is all that knows of adapters.
func newLoop(adapter string) (adapters.Loop, error) {
	switch adapter {
	case "stdnet":
		return stdnet.New(), nil
	case "gnet":
		return gnet.New()
	case "evio":
		return evio.New()
	case "ioloop":
		loop, err := ioloop.New()
		if err != nil {
			return nil, err
		}
		go func() {
			if err := loop.Start(); err != nil {
				log.Print(err)
			}
		}()
		return loop, nil
	}
	return nil, fmt.Errorf("no adapter %q", adapter)
}

func run(ctx context.Context, url string) error {
	loop, err := newLoop(*adapter)
	if err != nil {
		return err
	}
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
	const messages = 10_000
	begun := time.Now()
	for range messages {
		if err := ch.Publish(ctx, &blocking.Publishing{RoutingKey: q.Queue, Body: []byte("hello")}); err != nil {
			return err
		}
	}
	got := 0
	for d, err := range ch.Consume(ctx, &blocking.Consume{Queue: q.Queue}) {
		if err != nil {
			return err
		}
		if err := d.Ack(); err != nil {
			return err
		}
		if got++; got == messages {
			break
		}
	}
	fmt.Printf("%s: %d messages out, in and acknowledged in %v\n", *adapter, got, time.Since(begun).Round(time.Millisecond))
	return nil
}
