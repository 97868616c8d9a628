// Package otelamqp traces and measures blocking connections with OpenTelemetry. It
// is a module of its own, so that nobody else compiles OpenTelemetry.
//
//	conn, err := blocking.Dial(ctx, url, otelamqp.Instrument(otelamqp.Options{}))
//
// # Spans
//
// Names and attributes are those of the semantic conventions for messaging and
// RabbitMQ, version 1.40.0.
//
//   - "publish <destination>" (producer) from Publish or PublishConfirm to its
//     return, with PublishConfirm to the broker's answer; from PublishDeferred to the
//     broker's answer, whether the program waits for it or not. Its context goes with
//     the message, in the headers.
//   - "process <destination>" (consumer) from the moment that the program gets a
//     message to its Ack, Nack or Reject; where none is needed, for a moment. It
//     continues the trace that came with the message, and is linked to the span that
//     was current where Consume or Get was called. What the program does for the
//     message is part of it if given Delivery.Context.
//   - one named like the method, such as "queue.declare" (client), for every
//     request that waits for an answer. That of basic.get is a receive operation.
//
// A message that is never settled ends no span. There is no span for settling
// alone, which is the end of another.
//
// # Metrics
//
// messaging.client.sent.messages, messaging.client.consumed.messages,
// messaging.client.operation.duration and messaging.process.duration of the same
// conventions, with the exchange, or the queue, for destination: a routing key has
// too many values. And for all connections to a server together, what Conn.Stats
// tells: amqp.client.connections, channels, consumers, unconfirmed, unsettled, inbox,
// buffered, blocked, recoveries, io.
package otelamqp
