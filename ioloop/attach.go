package ioloop

import (
	"errors"
	"net"

	"github.com/haypile/haypile/adapters"
)

var _ adapters.Loop = (*Loop)(nil)

// Attach implements adapters.Loop. It takes connections of the types
// *net.TCPConn and *net.UnixConn, and returns adapters.ErrNotPollable for all
// others: a type that wraps one of these would be bypassed.
func (l *Loop) Attach(conn net.Conn, h adapters.Handler) error {
	if conn == nil {
		return errors.New("amqp: Attach of a nil connection")
	}
	defer conn.Close() // the transport has a descriptor of its own
	if h == nil {
		return errors.New("amqp: Attach with a nil handler")
	}
	fd, err := takeDescriptor(conn)
	if err != nil {
		return err
	}
	t := &transport{loop: l, fd: fd, local: conn.LocalAddr(), remote: conn.RemoteAddr(), h: h}
	if err := l.add(task{t: t, what: taskAttach}); err != nil {
		closeDescriptor(fd)
		return err
	}
	return nil
}
