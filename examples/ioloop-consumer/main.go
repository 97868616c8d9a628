// Ioloop-consumer is an asynchronous consumer on a loop of its own, which runs in
// main: callbacks instead of goroutines, as with Pika's SelectConnection. It
// opens a channel, declares and binds, publishes some messages to itself,
// consumes them with a prefetch, and closes in good order when it has had all of
// them.
//
//	go run ./examples/ioloop-consumer
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
	"github.com/haypile/haypile/examples/internal/demo"
	"github.com/haypile/haypile/ioloop"
)

const (
	exchange = "ioloop-consumer"
	messages = 3
)

func main() { demo.Main(run) }

func run(ctx context.Context, url string) error {
	params, err := driver.ParseURI(url)
	if err != nil {
		return err
	}
	loop, err := ioloop.New()
	if err != nil {
		return err
	}
	defer loop.Close()
	c := &consumer{loop: loop}
	c.conn = driver.Open(ctx, loop, params, c)
	go func() { // Open may fail before there is a connection to tell of it
		<-c.conn.Done()
		loop.Stop()
	}()
	if err := loop.Start(); err != nil {
		return err
	}
	return errors.Join(c.err, c.conn.Err())
}

// consumer is the handler of the connection and of its channel. All of it runs
// on the loop, so it needs no lock.
type consumer struct {
	core.NopClient
	loop *ioloop.Loop
	conn *driver.Conn
	ch   *core.Channel
	got  int
	err  error
}

// OnOpen: the connection is open.
func (c *consumer) OnOpen(conn *core.Conn) {
	fmt.Println("connected to", conn.PeerProperties()["product"], conn.PeerProperties()["version"])
	var err error
	if c.ch, err = conn.OpenChannel(channel{c: c}); err != nil {
		c.fail(err)
		return
	}
	// All of it leaves in one write; the broker answers in this order.
	c.check(c.ch.ExchangeDeclare(&wire.ExchangeDeclare{Exchange: exchange, Type: "topic", AutoDelete: true}, nil))
	c.check(c.ch.Qos(&wire.BasicQos{PrefetchCount: 1}, nil))
	c.check(c.ch.QueueDeclare(&wire.QueueDeclare{Exclusive: true}, c.declared))
}

// declared: the broker made up a name for the queue.
func (c *consumer) declared(q *wire.QueueDeclareOk, err error) {
	if err != nil {
		return // the channel ends with it, which is told by OnClose
	}
	fmt.Println("queue", q.Queue)
	c.check(c.ch.QueueBind(&wire.QueueBind{Queue: q.Queue, Exchange: exchange, RoutingKey: "job.#"}, nil))
	for i := range messages {
		_, err := c.ch.Publish(&core.Publishing{Exchange: exchange, RoutingKey: "job.new", Body: fmt.Appendf(nil, "job %d", i+1)})
		c.check(err)
	}
	c.check(c.ch.Consume(&wire.BasicConsume{Queue: q.Queue}, c.deliver, nil))
}

// deliver takes a moment for each message without holding up the loop. The timer
// is the connection's rather than the loop's, so that what its callback calls is
// sent when it returns.
func (c *consumer) deliver(d *core.Delivery) {
	tag := d.DeliveryTag
	fmt.Printf("got %q\n", d.Body)
	c.conn.CallLater(100*time.Millisecond, func(conn *core.Conn) {
		c.check(c.ch.Ack(tag, false))
		if c.got++; c.got == messages {
			fmt.Println("that was all")
			c.check(conn.Close(wire.ReplySuccess, "done"))
		}
	})
}

func (c *consumer) check(err error) {
	if err != nil {
		c.fail(err)
	}
}

func (c *consumer) fail(err error) {
	c.err = errors.Join(c.err, err)
	c.loop.Stop()
}

// channel is told how the channel ends.
type channel struct {
	core.NopChannel
	c *consumer
}

func (h channel) OnClose(_ *core.Channel, err error) {
	if err != nil {
		h.c.fail(err)
	}
}
