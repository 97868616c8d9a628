//go:build !unix

package stdnet

import "net"

func newReader(conn net.Conn) reader { return newPlainReader(conn) }
