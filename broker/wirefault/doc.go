// Package wirefault spoils the bytes of connections, for tests of what a client or
// a server makes of a bad network. It is an adapters.Loop around another one, so it
// works with any adapter and on real sockets, and what runs on it notices nothing
// until a fault is switched on:
//
//	loop := wirefault.New(stdnet.New())
//	loop.OnConnect(func(c *wirefault.Conn) {
//		c.Split(wirefault.In, 1)         // what arrives is given byte by byte
//		c.CutAfter(wirefault.Out, 1000)  // the peer gets 1000 bytes, then the end
//	})
//
// Faults are set for one direction of one connection, as the side sees it that
// runs on the loop: In is what it receives, Out is what it sends. They are
// switched on and off at any time, by any goroutine, and add up: bytes are first
// corrupted, then counted by CutAfter, then split, and wait while the direction is
// stalled.
package wirefault
