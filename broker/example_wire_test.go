package broker_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/stdnet"
	"github.com/haypile/haypile/broker"
	"github.com/haypile/haypile/broker/wirefault"
	"github.com/haypile/haypile/core/wire"
)

// setUpWire is setUp on a loop with faults, as RunT has it.
func setUpWire() (ctx context.Context, b *broker.Broker, ch *blocking.Channel, end func()) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	loop := wirefault.New(stdnet.New())
	b, err := broker.Start(broker.WithLoop(loop))
	check(err)
	conn, err := blocking.Dial(ctx, b.URL(), blocking.WithName("worker"), blocking.WithRecovery(nil))
	check(err)
	ch, err = conn.Channel(ctx)
	check(err)
	_, err = ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "jobs", Durable: true})
	check(err)
	return ctx, b, ch, func() {
		conn.Close(ctx)
		b.Stop(ctx)
		loop.Close()
		<-loop.Done()
		cancel()
	}
}

// Every connection from now on talks byte by byte.
func ExampleBroker_Wire() {
	ctx, b, _, end := setUpWire()
	defer end()
	b.Wire().OnConnect(func(c *wirefault.Conn) {
		c.Split(wirefault.In, 1)
		c.Split(wirefault.Out, 1)
	})
	conn, err := blocking.Dial(ctx, b.URL())
	check(err)
	defer conn.Close(ctx)
	ch, err := conn.Channel(ctx)
	check(err)
	fmt.Println(ch.PublishConfirm(ctx, job("piecemeal")))
	// Output: <nil>
}

// The broker stops writing, and goes on.
func ExampleBroker_WireOf() {
	ctx, b, ch, end := setUpWire()
	defer end()
	b.WireOf("worker").Stall(wirefault.Out)
	d, err := ch.PublishDeferred(ctx, job("silence"))
	check(err)
	check(b.WaitReady(ctx, "jobs", 1))
	select {
	case <-d.Done():
	default:
		fmt.Println("the message is there, the confirm is not")
	}
	b.WireOf("worker").Resume(wirefault.Out)
	fmt.Println(d.Wait(ctx))
	// Output:
	// the message is there, the confirm is not
	// <nil>
}

// The broker stops reading: what is sent waits in buffers.
func ExampleBroker_WireOf_stopReading() {
	ctx, b, ch, end := setUpWire()
	defer end()
	b.WireOf("worker").Stall(wirefault.In)
	soon, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	err := ch.PublishConfirm(soon, job("unread"))
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	b.WireOf("worker").Resume(wirefault.In)
	fmt.Println(b.WaitReady(ctx, "jobs", 1))
	// Output:
	// true
	// <nil>
}

// The connection breaks in the middle of an answer.
func ExampleBroker_WireOf_cut() {
	ctx, b, ch, end := setUpWire()
	defer end()
	b.WireOf("worker").CutAfter(wirefault.Out, 3)
	err := ch.PublishConfirm(ctx, job("half heard"))
	var lost *blocking.TransportError
	fmt.Println(errors.Is(err, blocking.ErrUnknownOutcome), errors.As(err, &lost))
	// Output: true true
}

// A byte changes on its way to the client, which closes the connection.
func ExampleBroker_WireOf_corrupt() {
	ctx, b, ch, end := setUpWire()
	defer end()
	b.WireOf("worker").Corrupt(wirefault.Out, 0, 0x40) // the type of the next frame
	err := ch.PublishConfirm(ctx, job("misheard"))
	fmt.Println(errors.Is(err, blocking.ErrUnknownOutcome))
	<-ch.Conn().Done()
	fmt.Println(errors.Is(ch.Conn().Err(), wire.FrameError))
	// Output:
	// true
	// true
}
