package route_test

import (
	"fmt"

	"github.com/haypile/haypile/broker/internal/route"
)

func Example() {
	r := route.New[string]()
	r.AddQueue("audit", "audit")
	r.AddQueue("billing", "billing")
	for _, b := range []route.Binding{
		{Source: "amq.topic", Destination: "audit", RoutingKey: "#"},
		{Source: "amq.topic", Destination: "billing", RoutingKey: "order.*"},
	} {
		if err := r.Bind(b); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(len(r.Route(nil, "amq.topic", []string{"order.paid"}, nil)), "queues")
	fmt.Println(r.Route(nil, "amq.topic", []string{"user.new"}, nil))
	err := r.Bind(route.Binding{Source: "events", Destination: "audit"})
	fmt.Println(err)
	// Output:
	// 2 queues
	// [audit]
	// amqp: NOT_FOUND - no exchange 'events'
}
