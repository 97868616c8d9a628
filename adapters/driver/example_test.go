package driver_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/adapters/stdnet"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// A delivery is worked on in a goroutine of its own, which comes back to the
// loop to ack.
func ExampleConn_AddCallbackThreadsafe() {
	var conn *driver.Conn // from Dial or Open
	deliver := func(d *core.Delivery) {
		ch, tag, body := d.Channel, d.DeliveryTag, string(d.Body)
		go func() {
			time.Sleep(time.Minute) // work on body
			_ = body
			conn.AddCallbackThreadsafe(func(*core.Conn) {
				if ch.IsOpen() { // else the broker has requeued the message
					ch.Ack(tag, false)
				}
			})
		}()
	}
	_ = deliver
}

func ExampleDial() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	params, err := driver.ParseURI("amqp://guest:guest@rabbit1,rabbit2/?heartbeat=30")
	if err != nil {
		fmt.Println(err)
		return
	}
	conn, err := driver.Dial(ctx, stdnet.New(), params, nil)
	if err != nil {
		fmt.Println(err) // names every attempt
		return
	}
	defer conn.Close()
}

func ExampleParseURI() {
	p, err := driver.ParseURI("amqp://anna:secret@rabbit1,rabbit2:5673/orders?heartbeat=30")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Endpoints, p.Client.VirtualHost, p.Client.Heartbeat)
	// Output: [rabbit1:5672 rabbit2:5673] orders 30s
}

// doorkeeper lets clients in that know the password, and serves nothing.
type doorkeeper struct{ core.NopServer }

func (doorkeeper) OnAuth(c *core.Conn, mechanism string, response wire.Secret) {
	if _, password, err := core.ParsePlain(response); mechanism == "PLAIN" && err == nil && password.Reveal() == "open sesame" {
		c.Accept()
	} else {
		c.Refuse(wire.AccessRefused, "wrong password")
	}
}

func ExampleServe() {
	loop := stdnet.New()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	server := driver.Serve(loop, listener, driver.ServeOptions{
		Server:     core.ServerConfig{Mechanisms: []string{"PLAIN"}},
		NewHandler: func(*driver.Conn) core.ServerHandler { return doorkeeper{} },
	})

	for _, password := range []string{"open%20sesame", "guest"} {
		params, _ := driver.ParseURI("amqp://ali:" + password + "@" + server.Addr().String())
		conn, err := driver.Dial(context.Background(), loop, params, nil)
		fmt.Println(errors.Is(err, wire.AccessRefused))
		if err == nil {
			conn.Close()
			<-conn.Done()
		}
	}

	server.Close()
	<-server.Done()
	loop.Close()
	// Output:
	// false
	// true
}
