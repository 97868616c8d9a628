package ioloop

import (
	"errors"
	"net"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/internal/stream"
)

var _ adapters.Selective = (*Loop)(nil)

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
	fd, err := stream.TakeDescriptor(conn)
	if err != nil {
		return err
	}
	t := &transport{Ends: stream.NewEnds(conn.LocalAddr(), conn.RemoteAddr()), loop: l}
	t.t = t
	t.Init(t, fd, h)
	if err := l.add(task{t: t, what: taskAttach}); err != nil {
		stream.CloseDescriptor(fd)
		return err
	}
	return nil
}

// Takes implements adapters.Selective.
func (l *Loop) Takes(conn net.Conn) bool { return stream.Pollable(conn) }
