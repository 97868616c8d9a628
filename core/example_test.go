package core_test

import (
	"fmt"
	"time"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// greeter declares a queue and publishes to it as soon as it can, all in one
// write.
type greeter struct{ core.NopClient }

func (greeter) OnOpen(c *core.Conn) {
	ch, err := c.OpenChannel(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	ch.QueueDeclare(&wire.QueueDeclare{Queue: "greetings"}, func(q *wire.QueueDeclareOk, err error) {
		fmt.Println("queue", q.Queue, "has", q.MessageCount, "messages")
	})
	ch.Publish(&core.Publishing{RoutingKey: "greetings", Body: []byte("hello")})
}

// The machine is fed what a broker says and asked what to send, here without
// any network.
func ExampleConn() {
	c, err := core.NewClient(core.ClientConfig{Host: "broker"}, greeter{})
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Now()
	c.Start(now)
	send(c)
	for _, m := range []struct {
		channel uint16
		method  wire.Method
	}{
		{0, &wire.ConnectionStart{VersionMinor: 9, Mechanisms: "PLAIN"}},
		{0, &wire.ConnectionTune{Heartbeat: 60}},
		{0, &wire.ConnectionOpenOk{}},
		{1, &wire.ChannelOpenOk{}},
		{1, &wire.QueueDeclareOk{Queue: "greetings"}},
	} {
		p, err := wire.AppendMethodFrame(nil, m.channel, m.method)
		if err != nil {
			fmt.Println(err)
			return
		}
		c.Feed(p, now)
		send(c)
	}
	// Output:
	// connection.start-ok
	// connection.tune-ok
	// connection.open
	// channel.open
	// queue.declare
	// basic.publish
	// queue greetings has 0 messages
}

// send does what a transport would, and prints the methods.
func send(c *core.Conn) {
	for _, segment := range c.Outbound(nil) {
		for p := segment; len(p) > 0; {
			f, n, err := wire.ParseFrame(p, c.FrameMax())
			if err != nil || n == 0 {
				break // the protocol header is no frame
			}
			if f.Type == wire.FrameMethod {
				id, _, _ := wire.ParseMethodID(f.Payload)
				fmt.Println(id)
			}
			p = p[n:]
		}
	}
	c.Advance(c.Buffered())
}
