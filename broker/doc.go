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
// # Test your own consumer in ten lines
//
// RunT is a broker for one test, which ends with it and leaves nothing behind. It is
// there in less than a millisecond, so that each test can have its own.
//
//	func TestConsumer(t *testing.T) {
//		ctx, b := t.Context(), broker.RunT(t)
//		conn, _ := blocking.Dial(ctx, b.URL())
//		defer conn.Close(ctx)
//		ch, _ := conn.Channel(ctx)
//		ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "jobs", Durable: true})
//		go consume(ctx, b.URL()) // what is tested, in whatever library
//		ch.PublishConfirm(ctx, &blocking.Publishing{RoutingKey: "jobs", Body: []byte("work")})
//		if err := b.WaitEmpty(ctx, "jobs"); err != nil {
//			t.Error(err) // jobs: want 0 messages, have 1
//		}
//	}
//
// A test that failed logs the Journal: each method that went over the wire, with its
// arguments. WaitFor and its kind wait for a State without polling, and under RunT
// they end by themselves, t.Context() ending too late. Advance lets time pass.
// DialContext leads into the broker without the system's network, so that a test can
// run inside a bubble of testing/synctest.
//
// # Make it fail
//
// What a client does when things go wrong is tested by making them go wrong:
//
//   - On has a function decide about methods, Next acts on the next few: they are
//     answered otherwise, late (Delay), or not at all (Drop); they close their channel
//     or connection, or cut it; messages are nacked (Nack), returned (Return), never
//     confirmed (Withhold).
//   - HoldConfirms keeps confirms, to send them later, in reverse, or as one.
//   - CancelConsumers takes a queue from its consumers, Block has a resource alarm,
//     Restart restarts, CloseConnection is the operator who closes one.
//   - Wire, and WireOf for one connection, spoil the bytes: they are stalled, split,
//     corrupted or cut off, on any loop (package wirefault).
//
// None of it is in the way when it is not used.
//
// # Time
//
// Everything that expires follows the broker's clock, which Advance moves forward.
// Inside a testing/synctest bubble it is the bubble's.
//
// # Limits
//
// What clients can make is bounded, so that none harms the others: messages by
// WithMemoryLimit, all else by WithLimits, with RabbitMQ's codes and texts. A test
// that wants to see its client refused lowers one.
//
// # State
//
// All connections share one state under one lock, and each thing that a client sends
// is one step of it, with all that follows. What has to be said to clients waits in
// an outbox for each and leaves in the order in which the state changed. A client
// that does not read holds up its own consumers and nobody else's.
package broker
