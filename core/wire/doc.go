// Package wire is the stateless codec of AMQP 0-9-1 with RabbitMQ's extensions:
// frames, methods, content headers and properties, field tables. It reads and
// writes byte slices and knows no connection, no order of frames and no clock;
// package core does.
//
// Encoders append to a slice and return it. A method with content is three
// kinds of frames:
//
//	props, err := (&wire.Properties{DeliveryMode: wire.Persistent}).Encode() // once
//	...
//	out, err = wire.AppendMethodFrame(out, 1, &wire.BasicPublish{RoutingKey: "jobs"})
//	if err != nil {
//		return err // a *wire.EncodeError; out is as long as before
//	}
//	out = wire.AppendHeaderFrame(out, 1, wire.ClassBasic, uint64(len(body)), props)
//	out = wire.AppendBody(out, 1, body, frameMax)
//
// Parsers take a slice apart without copying: Frame.Payload, RawProperties,
// RawTable, RawValue, and each []byte that these yield, alias it. What else is
// decoded, by a Decoder and by their accessors, is a copy and may be kept.
//
// The rules:
//
//   - The methods are generated from amqp.def, one struct each. Fields that the
//     specification reserves are not in the structs; they are sent as zero and
//     ignored on receipt.
//   - No input makes anything here panic or allocate more than a small multiple
//     of its length. What is malformed is a *DecodeError with the reply code to
//     close the connection with; what cannot be sent is a *EncodeError with the
//     path to the value. Neither contains a value.
//   - An Interner, and a Decoder, are for one goroutine at a time. All else has
//     no state.
//   - Everything but a Table is encoded and decoded without allocating, given
//     room in the slice and an Interner. Where a Table costs too much, a
//     TableBuilder writes what RawTable.All reads.
package wire

//go:generate go run ./internal/gen
