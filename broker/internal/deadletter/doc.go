// Package deadletter is what RabbitMQ adds to a message that a queue has dropped
// before it is published to the dead-letter exchange: the header x-death, with an
// entry for every pair of queue and reason, and what goes with it. It also tells
// which queues a dead letter must not reach, since it would go round for ever.
//
//	props, err := deadletter.Record(message.Properties, deadletter.Death{
//		Queue: "jobs", Reason: queue.Rejected, Time: now,
//		Exchange: message.Exchange, RoutingKey: message.RoutingKey,
//	})
//	...
//	for _, q := range routed {
//		if reason == queue.Rejected || !deadletter.Cycle(props, q.Name) {
//			publish(q, props)
//		}
//	}
//
// All of it are pure functions, for any goroutine.
package deadletter
