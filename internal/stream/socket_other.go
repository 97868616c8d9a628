//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package ioloop

import "net"

func takeDescriptor(net.Conn) (int, error) { return 0, ErrUnsupported }
func closeDescriptor(int)                  {}
func readSocket(int, []byte) (int, error)  { return 0, ErrUnsupported }
func writeSocket(int, []byte) (int, error) { return 0, ErrUnsupported }
func shutdownWrite(int) error              { return ErrUnsupported }
