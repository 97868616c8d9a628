//go:build !unix

package sink

import "net"

// eagerly is no different from c's Read where sockets cannot be asked.
func eagerly(c net.Conn) func([]byte) (int, error) { return c.Read }
