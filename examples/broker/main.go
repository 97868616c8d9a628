// Broker is package broker as a program: an AMQP broker in memory, for whatever
// speaks AMQP 0-9-1, until it is interrupted. Nothing is on disk: what it holds goes
// with it.
//
//	go run ./examples/broker
//	go run ./examples/broker -listen 127.0.0.1:5673 -adapter gnet -user app:secret
//	go run ./examples/broker -management 127.0.0.1:15672
//	go run ./examples/broker -users definitions.json -tls-cert server.pem -tls-key server.key
//
// On SIGUSR1 it prints what it holds; with -state, also at its end.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/haypile/haypile/broker"
)

func main() {
	log.SetFlags(0)
	o := parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx, o); err != nil {
		log.Fatal(err)
	}
}

// grace is what clients have to answer that the broker stops.
const grace = 10 * time.Second

func run(ctx context.Context, o *options) error {
	loop, err := newLoop(o.adapter)
	if err != nil {
		return err
	}
	defer func() {
		loop.Close()
		<-loop.Done()
	}()
	settings, err := o.settings()
	if err != nil {
		return err
	}
	b, err := broker.Start(append(settings, broker.WithLoop(loop))...)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w\nIs another broker running? Choose another address by -listen or -tls-listen", err)
	}
	if err != nil {
		return err
	}
	if o.management != "" {
		page, err := servePage(b, o.management)
		if err != nil {
			return errors.Join(err, b.Stop(ctx))
		}
		defer page.Close()
	}
	asked := make(chan os.Signal, 1)
	notifyState(asked)
	greet(os.Stdout, b.State(), o)
	for ctx.Err() == nil {
		select {
		case <-asked:
			printState(os.Stdout, b.State())
		case <-ctx.Done():
		}
	}
	if o.state {
		printState(os.Stdout, b.State())
	}
	stopping, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if err := b.Stop(stopping); errors.Is(err, context.DeadlineExceeded) {
		fmt.Println("stopped; clients that did not answer were cut off")
		return nil
	} else if err != nil {
		return err
	}
	fmt.Println("stopped")
	return nil
}
