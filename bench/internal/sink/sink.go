// Package sink is a broker of raw sockets that does as little as a broker can,
// so that a benchmark measures its client: it discards publishes as fast as they
// come, confirms them in lots, and streams deliveries from memory. It is written
// without package core, which would share that package's costs and faults.
//
// It lets everybody in. A consumer of the queue "1000000x64" is sent a million
// messages with bodies of 64 bytes, and never more unacknowledged ones than its
// channel's prefetch allows. Of any other queue, a passive declare tells how many
// messages the connection has published so far.
package sink

import (
	"errors"
	"io"
	"net"
)

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
	buf := make([]byte, smallBuffer)
	n := 0
	for {
		got, err := c.Read(buf[n:])
		if err != nil {
			return // the client is gone, which is how benchmarks end
		}
		n += got
		used, err := s.input(buf[:n])
		if err != nil {
			if !errors.Is(err, io.EOF) {
				println("sink:", err.Error())
			}
			return
		}
		full := n == len(buf)
		n = copy(buf, buf[used:n])
		if full && len(buf) == smallBuffer {
			buf = append(buf, make([]byte, largeBuffer-smallBuffer)...)
		}
	}
}
