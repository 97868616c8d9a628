// Package adapters is the contract between AMQP connections and event loops.
//
// A Loop takes connections that are already established and moves their bytes.
// Everything hard is done once, outside the loops, by package driver: looking
// names up, dialling, time limits, retries, listening. So a loop is small, and
// one for an engine of your own is an afternoon's work; package adaptertest
// proves that it keeps the contract. The guide beside this file, README.md, walks
// through a complete one and names the traps.
//
// # Threading
//
// Per transport, handler calls are serialised and ordered by happens-before,
// not tied to one goroutine, and everything but Transport.Wake belongs inside
// them. They never nest: a call of a Transport method never runs a Handler
// method on the caller's stack.
//
// # Bytes
//
// OnData lends its argument until it returns. Write has sent or copied all of
// its argument when it returns. Output that the kernel does not take is kept by
// the transport; a handler that watches Buffered against HighWater, and goes on
// at the OnWake that comes at LowWater, keeps that bounded.
//
// # The end
//
// OnClose is called once and last, whoever ended the transport: the peer, the
// handler by Close or Abort, the loop by its Close, or a panic in the handler.
// When the peer ends its side, output that has not left is dropped: AMQP has no
// half-open connections, and what the peer still has to read it will not.
package adapters
