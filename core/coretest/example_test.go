package coretest_test

import (
	"fmt"
	"time"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/coretest"
	"github.com/haypile/haypile/core/wire"
)

// A client and a server talk over a network with 20 ms of latency, and no time
// passes for the test.
func ExamplePair() {
	var told coretest.Recorder
	client, err := core.NewClient(core.ClientConfig{Host: "broker"}, told.Client())
	if err != nil {
		panic(err)
	}
	server, err := core.NewServer(core.ServerConfig{}, told.Server(true))
	if err != nil {
		panic(err)
	}
	pair, err := coretest.NewPair(client, server)
	if err != nil {
		panic(err)
	}
	pair.Latency = 20 * time.Millisecond
	pair.Settle()
	ch, err := client.OpenChannel(told.Channel())
	if err != nil {
		panic(err)
	}
	if _, err := ch.Publish(&core.Publishing{RoutingKey: "jobs", Body: []byte("hello")}); err != nil {
		panic(err)
	}
	pair.Settle()
	for _, line := range told.Take() {
		fmt.Println(line)
	}
	fmt.Println("after", pair.Now().Sub(coretest.Epoch))
	// Output:
	// auth PLAIN 12 bytes
	// open "/"
	// open
	// 1 opened
	// 1 published seq=0 exchange="" routing-key=jobs properties={} body="hello"
	// after 160ms
}

func ExampleFormat() {
	m, err := coretest.Parse("queue.declare queue=jobs durable arguments={x-max-length=10}")
	if err != nil {
		panic(err)
	}
	m.Method.(*wire.QueueDeclare).Exclusive = true
	fmt.Println(coretest.Format(m.Method))
	// Output: queue.declare queue=jobs durable exclusive arguments={x-max-length=10}
}
