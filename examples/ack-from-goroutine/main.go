// Ack-from-goroutine works on a delivery in a goroutine of its own for longer
// than the broker tolerates silence, while the connection goes on sending
// heartbeats, and has the connection's loop ack it by AddCallbackThreadsafe.
//
//	go run ./examples/ack-from-goroutine
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/adapters/stdnet"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
	"github.com/haypile/haypile/examples/internal/demo"
)

const (
	heartbeat = 2 * time.Second // the broker hangs up after two of silence
	work      = 7 * time.Second // what a message takes
)

func main() { demo.Main(run) }

func run(ctx context.Context, url string) error {
	params, err := driver.ParseURI(url)
	if err != nil {
		return err
	}
	params.Client.Heartbeat = heartbeat
	loop := stdnet.New()
	defer loop.Close()
	w := &worker{known: make(chan struct{})}
	w.conn = driver.Open(ctx, loop, params, w)
	close(w.known)
	<-w.conn.Done()
	if err := w.conn.Err(); err != nil {
		return err
	}
	fmt.Println("closed in good order: the connection outlived the work")
	return nil
}

// worker is the connection's handler. All its methods but process run on the
// loop and return at once.
type worker struct {
	core.NopClient
	conn  *driver.Conn
	known chan struct{} // closed when conn is set: callbacks may run before Open returns
	ch    *core.Channel
}

// OnOpen declares, publishes and consumes in one go: the broker gets it all in
// one write and in this order.
func (w *worker) OnOpen(c *core.Conn) {
	fmt.Printf("connected, heartbeat every %s\n", c.Heartbeat())
	var err error
	if w.ch, err = c.OpenChannel(nil); err != nil {
		log.Fatal(err)
	}
	const queue = "ack-from-goroutine"
	for _, err := range []error{
		w.ch.QueueDeclare(&wire.QueueDeclare{Queue: queue, Exclusive: true}, nil),
		w.publish(queue, "a long job"),
		w.ch.Consume(&wire.BasicConsume{Queue: queue}, w.deliver, nil),
	} {
		if err != nil {
			log.Fatal(err)
		}
	}
}

func (w *worker) publish(queue, body string) error {
	_, err := w.ch.Publish(&core.Publishing{RoutingKey: queue, Body: []byte(body)})
	return err
}

// deliver must not take long, so it hands the message on. What it is given is
// lent: it clones what it keeps.
func (w *worker) deliver(d *core.Delivery) {
	go w.process(d.Clone())
}

func (w *worker) process(d *core.Delivery) {
	fmt.Printf("working on %q for %s\n", d.Body, work)
	time.Sleep(work)
	<-w.known
	err := w.conn.AddCallbackThreadsafe(func(c *core.Conn) {
		if !w.ch.IsOpen() {
			fmt.Println("too late: the broker has requeued the message")
			return
		}
		if err := w.ch.Ack(d.DeliveryTag, false); err != nil {
			fmt.Println("ack:", err)
			return
		}
		fmt.Println("acked on the loop")
		w.conn.Close()
	})
	if err != nil {
		fmt.Println("the connection has ended:", err)
	}
}
