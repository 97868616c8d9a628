// Package broker is an AMQP 0-9-1 broker in memory, for tests and demos: what
// RabbitMQ does where clients can tell, with its reply codes and texts, and nothing
// on disk.
//
//	b, err := broker.Start()
//	if err != nil {
//		return err
//	}
//	defer b.Stop(ctx)
//	conn, err := blocking.Dial(ctx, b.URL())
//
// # What it is
//
// Direct, fanout, topic and headers exchanges with bindings between them and
// alternates; queues with priorities, times to live, length limits, dead-lettering,
// single active consumers; confirms, transactions, prefetch, direct reply-to; users
// with permissions by virtual host. Quorum queues are accepted and follow their own
// rules, as a single copy. Streams are refused. A Profile says which RabbitMQ it is.
//
// # What it is not
//
// Nothing is ever written to disk: Restart keeps durable queues and persistent
// messages in memory, as a real restart would, and Stop forgets everything. There is
// no cluster, no plugin, no policy. It listens on loopback unless told otherwise.
//
// # Time
//
// Everything that expires follows the broker's clock, which Advance moves forward.
// Inside a testing/synctest bubble it is the bubble's.
//
// # State
//
// All connections share one state under one lock, and each thing that a client sends
// is one step of it, with all that follows. What has to be said to clients waits in
// an outbox for each and leaves in the order in which the state changed. A client
// that does not read holds up its own consumers and nobody else's.
package broker
