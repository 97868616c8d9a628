// Package core is AMQP 0-9-1 as a state machine: bytes and time go in, bytes
// and callbacks come out. It has no sockets, no goroutines, no locks and no
// clock, so any event loop can drive it, and a test can drive it byte by byte
// and second by second.
//
// There are two roles, NewClient and NewServer: one machine, since most of the
// protocol is symmetric. A loop needs this much for either:
//
//	c, err := core.NewClient(core.ClientConfig{}, handler)
//	c.Start(time.Now())
//	for !c.Finished() {
//		n := write(c.Outbound(nil))      // as many bytes as the transport takes
//		c.Advance(n)
//		p, err := read(c.NextDeadline()) // wait for bytes until then
//		switch now := time.Now(); {
//		case len(p) > 0:
//			c.Feed(p, now)
//		case err != nil:
//			c.Lost(err, now)
//		default:
//			c.Tick(now)
//		}
//	}
//
// The examples folder has it whole (examples/bare-core), and package driver
// does it for every adapter.
//
// # Two sides
//
// The driver side is Start, Feed, Tick, Lost, SetReading, Outbound, Advance,
// NextDeadline and Finished. Some of these run callbacks; calling one of those
// from inside a callback is a bug and panics. The user side is everything else:
// OpenChannel, the methods of Channel, Close. It is legal inside callbacks and
// between driver-side calls, and only commits state and appends output. All
// calls on a connection belong to one goroutine at a time.
//
// # Order
//
// Wire order is call order. Requests are pipelined: a channel can be opened, a
// queue declared and bound, and messages published to it without waiting, and
// all of it leaves in one write. Replies settle the requests in order, except that
// RabbitMQ's consume-ok and cancel-ok may come behind later replies.
//
// # Telling failures
//
// Each failure is told once. Misuse is the error of the call, which then has
// changed nothing. A request that fails is told to its callback. A channel or a
// connection that ends is told to its OnClose, callbacks of pending requests
// first, channels before the connection. A call that returned nil and has a
// callback runs it exactly once, never before the call returned.
//
// # Memory
//
// Feed keeps nothing of what it is given. What a callback gets in a Delivery or
// Return is lent until the callback returns; Clone makes a copy to keep. Input
// is bounded by frame-max and MaxMessage, output by MaxBuffered. Bodies larger
// than memory pass through ConsumeStream, large ones leave uncopied by
// PublishLoan. A connection that is idle for long enough to send a heartbeat gives
// back what only traffic needs; it then takes about 1 KiB. Built with the race
// detector, the machine overwrites memory when a loan ends.
//
// # Servers
//
// A server's embedder decides: OnAuth, OnOpen and OnUpdateSecret are answered by
// Accept, Refuse or Challenge, at once or later. What a client sends on a channel
// comes to OnMethod and OnPublish, and is answered by Send, Deliver, Return and
// GetOk, or by Fail. Calls of the other role return ErrRole.
//
// # Tests
//
// Package coretest has a recorder of callbacks, a client and a server joined by a
// virtual network, and scripts that read as conversations.
//
// # Time
//
// Times are arguments and must come from one monotonic clock. NextDeadline says
// when Tick is due. A deadline armed by a call that has no time argument begins
// with the next time given; the driver calls Tick after it ran user calls.
//
// # States of a connection
//
// What the peer may send on channel 0, and the state that follows; anything else
// ends the connection. The table holds for both roles: whether a client or a
// server may send a method is known of the method. What is not a method is a call
// of ours, or the eight bytes that a client begins with:
//
//	idle       Start                        starting
//	starting   connection.start             tuning
//	starting   protocol header              securing
//	securing   connection.start-ok          securing
//	securing   connection.secure-ok         securing
//	securing   connection.close             closed
//	securing   Accept                       tuning
//	tuning     connection.secure            tuning
//	tuning     connection.tune              opening
//	tuning     connection.tune-ok           opening
//	tuning     connection.close             closed
//	opening    connection.open              opening
//	opening    connection.open-ok           open
//	opening    connection.close             closed
//	opening    Accept                       open
//	open       connection.blocked           open
//	open       connection.unblocked         open
//	open       connection.update-secret     open
//	open       connection.update-secret-ok  open
//	open       connection.close             closed
//	open       Close, Fail                  closing
//	closing    connection.close             closing
//	closing    connection.close-ok          closed
//
// # Offences
//
// What the peer must not do, the code it is closed with and what that ends:
//
//	unknown frame type, frame above frame-max, wrong end octet  501 connection
//	frame too short for its method or header                    501 connection
//	heartbeat that is not empty or not on channel 0             501 connection
//	content header of another class, or with a weight           501 connection
//	more body than announced                                    501 connection
//	arguments or properties that cannot be decoded              502 connection
//	method out of place, for the other side, or unasked         503 connection
//	confirm of what was not published                           503 connection
//	mechanism that is not on offer                              403 connection
//	limits above those offered, or below the protocol's least   530 connection
//	more than 65,536 unanswered requests                        506 connection
//	answers that are not read, more than MaxBuffered and 1 MiB  506 connection
//	channel.open on an open channel                             504 connection
//	publish with the bit "immediate"                            540 connection
//	content on channel 0, frame on a channel not open           504 connection
//	channel number above channel-max                            504 connection
//	reply that does not match, content out of order             505 connection
//	unknown method                                              540 connection
//	delivery to an unknown consumer                             404 channel
//	body above MaxMessage, alone or with unfinished ones        311 channel
//
// A client passes over a channel.close that repeats one: RabbitMQ does that until
// it has the answer to the first.
//
// During the handshake nobody is told, the transport is dropped, except that a
// server tells clients that are authenticated.
package core
