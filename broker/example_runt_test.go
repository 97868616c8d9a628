package broker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/broker"
	"github.com/haypile/haypile/core/wire"
)

// shout is a program to be tested: it writes what it gets in capitals.
func shout(ctx context.Context, url string, out chan<- string) error {
	conn, err := blocking.Dial(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	ch, err := conn.Channel(ctx)
	if err != nil {
		return err
	}
	return ch.Handle(ctx, &blocking.Handle{Consume: blocking.Consume{Queue: "words"}}, func(_ context.Context, d *blocking.Delivery) error {
		out <- strings.ToUpper(string(d.Body))
		return nil
	})
}

// A consumer is tested in ten lines, with nothing installed. In a test, t is its
// *testing.T and ctx its t.Context().
func ExampleRunT() {
	ctx, t := context.Background(), &exampleT{}
	defer t.end()

	b, out := broker.RunT(t), make(chan string, 1)
	conn, err := blocking.Dial(ctx, b.URL())
	check(err)
	defer conn.Close(ctx)
	ch, err := conn.Channel(ctx)
	check(err)
	_, err = ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "words", Durable: true})
	check(err)
	go shout(ctx, b.URL(), out)
	check(ch.PublishConfirm(ctx, &blocking.Publishing{RoutingKey: "words", Body: []byte("hello")}))
	fmt.Println(<-out)
	fmt.Println(b.WaitEmpty(ctx, "words")) // it has acknowledged, too
	// Output:
	// HELLO
	// <nil>
}

// Without the system's network, a broker works inside a bubble of testing/synctest,
// where hours pass in no time.
func ExampleBroker_DialContext() {
	ctx, t := context.Background(), &exampleT{}
	defer t.end()

	b := broker.RunT(t)
	conn, err := blocking.Dial(ctx, "amqp://guest:guest@memory/", blocking.WithParams(func(p *blocking.Params) {
		p.DialContext = b.DialContext
	}))
	check(err)
	fmt.Println(conn.RemoteAddr())
	check(conn.Close(ctx))
	// Output: memory:5672
}

// What expires does so when the test wants it.
func ExampleBroker_Advance() {
	ctx, b, ch, end := setUp()
	defer end()
	brief := job("for an hour")
	brief.Properties = &blocking.Properties{Expiration: "3600000"}
	check(ch.PublishConfirm(ctx, brief))
	for range 2 {
		b.Advance(30 * time.Minute)
		fmt.Println(b.State().Queue("/", "jobs").Ready)
	}
	// Output:
	// 1
	// 0
}

func ExampleBroker_WaitFor() {
	ctx, b, ch, end := setUp()
	defer end()
	go ch.Publish(ctx, job("for later"))
	err := b.WaitFor(ctx, func(s *broker.State) bool {
		q := s.Queue("/", "jobs")
		return q.Ready == 1 && q.Tail.Bytes == len("for later")
	})
	fmt.Println(err)
	// Output: <nil>
}

// A wait that is in vain tells what there is instead.
func ExampleBroker_WaitEmpty() {
	ctx, b, ch, end := setUp()
	defer end()
	check(ch.PublishConfirm(ctx, job("for nobody")))
	soon, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	fmt.Println(b.WaitEmpty(soon, "jobs"))
	// Output:
	// amqp: broker: jobs: want 0 messages, have 1 (context deadline exceeded)
	// 	1 connections, 1 queues
	// 	/ jobs: 1 ready, 0 unacked, 0 consumers
}

func ExampleBroker_WaitConsumers() {
	ctx, b, ch, end := setUp()
	defer end()
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error)
	go func() {
		ended <- ch.Handle(ctx, &blocking.Handle{Consume: blocking.Consume{Queue: "jobs"}}, func(context.Context, *blocking.Delivery) error { return nil })
	}()
	check(b.WaitConsumers(ctx, "jobs", 1))
	fmt.Println("it consumes")
	stop()
	<-ended
	check(b.WaitConsumers(context.Background(), "jobs", 0))
	fmt.Println("it has cancelled")
	// Output:
	// it consumes
	// it has cancelled
}

func ExampleBroker_WaitUnacked() {
	ctx, b, ch, end := setUp()
	defer end()
	check(ch.PublishConfirm(ctx, job("slow")))
	d, err := ch.Get(ctx, &blocking.Get{Queue: "jobs"})
	check(err)
	check(b.WaitUnacked(ctx, "jobs", 1))
	check(d.Nack(true))
	fmt.Println(b.WaitReady(ctx, "jobs", 1))
	// Output: <nil>
}

func ExampleBroker_WaitConnections() {
	ctx, b, ch, end := setUp()
	defer end()
	check(ch.Conn().Close(ctx))
	fmt.Println(b.WaitConnections(ctx, 0))
	// Output: <nil>
}

// What went over the wire, with arguments and without passwords.
func ExampleBroker_Journal() {
	ctx, b, ch, end := setUp()
	defer end()
	check(ch.Publish(ctx, job("hello")))
	check(b.WaitReady(ctx, "jobs", 1))
	for _, e := range b.Journal() {
		switch m := e.Decode().(type) {
		case *wire.QueueDeclare:
			fmt.Println(e.Method, m.Queue, m.Durable)
		case *wire.BasicPublish:
			fmt.Println(e.Method, m.RoutingKey, m.Mandatory)
		}
	}
	// Output:
	// queue.declare jobs true
	// basic.publish jobs true
}

// A restart costs clients their connections, and keeps what is durable.
func ExampleBroker_Restart() {
	ctx, b, ch, end := setUp()
	defer end()
	lasting := job("lasts")
	lasting.Properties = &blocking.Properties{DeliveryMode: blocking.Persistent}
	check(ch.PublishConfirm(ctx, lasting))
	check(ch.PublishConfirm(ctx, job("does not")))
	check(b.Restart(ctx))
	<-ch.Done()
	fmt.Println(errors.Is(ch.Err(), wire.ConnectionForced))
	fmt.Println(b.State().Queue("/", "jobs").Ready)
	// Output:
	// true
	// 1
}

func ExampleBroker_WaitReady() {
	ctx, b, ch, end := setUp()
	defer end()
	check(ch.Publish(ctx, job("one")))
	check(ch.Publish(ctx, job("two")))
	fmt.Println(b.WaitReady(ctx, "jobs", 2))
	// Output: <nil>
}

func ExampleBroker_WaitQueue() {
	ctx, b, ch, end := setUp()
	defer end()
	go ch.PublishConfirm(ctx, job("twelve bytes"))
	err := b.WaitQueue(ctx, "jobs", func(q *broker.QueueState) bool { return q.ReadyBytes == 12 })
	fmt.Println(err)
	// Output: <nil>
}
