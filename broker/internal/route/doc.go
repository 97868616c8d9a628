// Package route decides which queues a message goes to: the exchanges of one
// virtual host, the bindings between them and queues, and RabbitMQ's rules of
// matching. It holds no lock, no clock and no message.
//
//	r := route.New[*queue.Queue]()
//	err := r.Declare(route.Exchange{Name: "events", Type: "topic"})
//	r.AddQueue("audit", q)
//	err = r.Bind(route.Binding{Source: "events", Destination: "audit", RoutingKey: "order.#"})
//	queues = r.Route(queues[:0], "events", []string{"order.paid"}, headers)
//
// The rules that every exchange has in common:
//
//   - A queue gets a message once, however many bindings lead there.
//   - An exchange passes a message on once, so bindings between exchanges may form
//     cycles.
//   - A message that no binding of an exchange matches goes to its alternate
//     exchange, if that exists. A binding to an exchange that leads nowhere has
//     matched all the same.
//   - A binding is identified by source, destination, routing key and arguments,
//     also where the type of exchange looks at only some of them.
//   - An auto-delete exchange goes when the last binding from it is removed, which
//     may remove the last binding from another one.
package route
