//go:build !unix

package stdnet

import "net"

func newSocket(conn net.Conn) socket { return newPlainSocket(conn) }
