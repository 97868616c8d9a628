// Bare-core drives core.Conn by hand over a net.Conn: no adapter, no driver, and no
// goroutine but the broker's, if it brings its own. Any loop that can read, write and
// wait can do the same.
//
//	go run ./examples/bare-core
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"time"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
	"github.com/haypile/haypile/examples/internal/demo"
)

func main() { demo.Main(run) }

func run(ctx context.Context, uri string) error {
	cfg, err := demo.Config(uri)
	if err != nil {
		return err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", cfg.Host)
	if err != nil {
		return err
	}
	defer conn.Close()
	c, err := core.NewClient(cfg, hello{})
	if err != nil {
		return err
	}
	if err := c.Start(time.Now()); err != nil {
		return err
	}
	return pump(c, conn)
}

// pump is all that the machine asks of a loop: write what is outbound, then wait
// for bytes or for the next deadline, whatever comes first.
func pump(c *core.Conn, conn net.Conn) error {
	buf := make([]byte, 64<<10)
	for !c.Finished() {
		segments := net.Buffers(c.Outbound(nil))
		n, err := segments.WriteTo(conn)
		c.Advance(int(n))
		if err != nil {
			c.Lost(err, time.Now())
		}
		if c.Finished() {
			break
		}
		conn.SetReadDeadline(c.NextDeadline()) // zero means no deadline to both
		got, err := conn.Read(buf)
		now := time.Now()
		c.Feed(buf[:got], now)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			c.Tick(now)
		case err != nil:
			c.Lost(err, now)
		}
	}
	return c.Err()
}

// hello publishes a message to itself and closes when it has come back.
type hello struct{ core.NopClient }

func (hello) OnOpen(c *core.Conn) {
	fmt.Println("open; server:", c.PeerProperties()["product"], c.PeerProperties()["version"])
	ch, err := c.OpenChannel(nil)
	if err != nil {
		log.Fatal(err)
	}
	ch.QueueDeclare(&wire.QueueDeclare{Exclusive: true}, func(q *wire.QueueDeclareOk, err error) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("declared", q.Queue)
		ch.Consume(&wire.BasicConsume{Queue: q.Queue, NoAck: true}, func(d *core.Delivery) {
			fmt.Printf("got %q back\n", d.Body)
			c.Close(wire.ReplySuccess, "")
		}, nil)
		ch.Publish(&core.Publishing{RoutingKey: q.Queue, Body: []byte("hello")})
	})
}
