// Package sink is a broker of raw sockets that does as little as a broker can,
// so that a benchmark measures its client: it discards publishes as fast as they
// come, confirms them in lots, and streams deliveries from memory. It is written
// without package core, which would share that package's costs and faults.
//
// It lets everybody in, and hangs up on who sends what is no AMQP. A consumer of the
// queue "1000000x64" is sent a million messages, with bodies of 64 bytes (package
// bench/internal/body) that are numbered from one, with the Properties when "p"
// follows, and never more unacknowledged ones than its channel's prefetch allows.
// The consumer of "pingpong" is sent at once what its connection publishes after the
// first declare of that queue. A declare of any queue tells how many messages the
// connection has published so far, and, as the number of consumers, how many
// deliveries it has acknowledged or how many bytes of bodies it has published: a
// connection does one of both, and the bytes are those of what is discarded, modulo
// 2^32.
//
// The virtual host says how else the sink behaves: "eager" has it look for input
// for a while before it sleeps, so that round trips measure the client and not what
// it takes to wake a broker; "hold1000" has it confirm a thousand publishes
// together, or all when anything else is asked.
package sink

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
)

// Product is the sink's name among its server properties.
const Product = "haypile bench sink"

// Serve lets clients in until the listener fails, which it returns.
func Serve(ln net.Listener) error {
	for {
		c, err := ln.Accept()
		if err != nil {
			return err
		}
		go serve(c)
	}
}

// Sizes of a connection's buffer: at first, and when that has once been full.
const (
	smallBuffer = 4 << 10
	largeBuffer = 256 << 10
)

func serve(c net.Conn) {
	defer c.Close()
	s := newSession(c)
	defer s.stop()
	read := c.Read
	buf := make([]byte, smallBuffer)
	n := 0
	for {
		got, err := read(buf[n:])
		if err != nil {
			return // the client is gone, which is how benchmarks end
		}
		n += got
		used, err := s.input(buf[:n])
		if err != nil {
			if !errors.Is(err, io.EOF) {
				fmt.Fprintln(os.Stderr, "sink:", err)
			}
			return
		}
		if s.options.eager {
			read = eagerly(c)
		}
		full := n == len(buf)
		n = copy(buf, buf[used:n])
		if full && len(buf) == smallBuffer {
			buf = append(buf, make([]byte, largeBuffer-smallBuffer)...)
		}
	}
}
