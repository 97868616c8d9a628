package broker

import (
	"context"
	"net"
	"slices"
	"syscall"

	"github.com/haypile/haypile/broker/internal/memnet"
	"github.com/haypile/haypile/broker/wirefault"
)

// memoryName is where connections in memory lead.
const memoryName = "memory:5672"

// DialContext connects to the broker in memory, without the system's network. It
// fits driver.Params and works inside a bubble of testing/synctest; the network and
// the address are ignored. Of the URI, what is left counts:
//
//	conn, err := blocking.Dial(ctx, "amqp://guest:guest@memory/", blocking.WithParams(func(p *blocking.Params) {
//		p.DialContext = b.DialContext
//	}))
//
// In a bubble, the broker must have been started inside it (RunT), and connections
// be closed before it ends; URL leads to a real socket, for which no bubble waits.
//
// The error is a *net.OpError, with syscall.ECONNREFUSED when the broker does not
// run.
func (b *Broker) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	b.mu.Lock()
	ln := b.inMemory
	b.mu.Unlock()
	if ln == nil {
		return nil, &net.OpError{Op: "dial", Net: "memory", Addr: memnet.Addr(memoryName), Err: syscall.ECONNREFUSED}
	}
	return ln.DialContext(ctx, network, address)
}

// Wire is the loop with faults that the broker runs on: RunT's, or one that
// WithLoop was given. nil if there is none.
func (b *Broker) Wire() *wirefault.Loop {
	l, _ := b.settings.loop.(*wirefault.Loop)
	return l
}

// WireOf is a connection's wire, for faults, by the name of the connection as in
// State, or the name that its client provided. It is nil if there is no such
// connection or Wire is nil. A connection in memory on a loop that takes nothing
// but sockets is not found: use Wire's OnConnect or Conns.
func (b *Broker) WireOf(connection string) *wirefault.Conn {
	s := b.State()
	c, loop := s.Connection(connection), b.Wire()
	if c == nil || loop == nil {
		return nil
	}
	conns := loop.Conns()
	i := slices.IndexFunc(conns, func(w *wirefault.Conn) bool {
		return w.RemoteAddr().String() == c.PeerAddress && w.LocalAddr().String() == c.LocalAddress
	})
	if i < 0 {
		return nil
	}
	return conns[i]
}
