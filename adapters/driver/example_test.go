package driver_test

import (
	"context"
	"fmt"
	"time"

	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/adapters/stdnet"
	"github.com/haypile/haypile/core"
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
