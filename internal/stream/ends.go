package stream

import (
	"net"
	"net/netip"
)

// Ends are the addresses of both ends of a connection, in a quarter of the room
// that they take as package net has them.
type Ends struct {
	ip    [2][16]byte
	port  [2]uint16
	other *[2]net.Addr // what does not fit: of UNIX sockets, and addresses with a zone
}

// NewEnds packs two addresses.
func NewEnds(local, remote net.Addr) Ends {
	var e Ends
	for i, a := range [2]net.Addr{local, remote} {
		tcp, ok := a.(*net.TCPAddr)
		if !ok || tcp == nil || tcp.Zone != "" || len(tcp.IP) == 0 {
			return Ends{other: &[2]net.Addr{local, remote}}
		}
		end := tcp.AddrPort()
		e.ip[i], e.port[i] = end.Addr().As16(), end.Port()
	}
	return e
}

// Local is the first address, made anew.
func (e *Ends) Local() net.Addr { return e.addr(0) }

// Remote is the second address, made anew.
func (e *Ends) Remote() net.Addr { return e.addr(1) }

func (e *Ends) addr(i int) net.Addr {
	if e.other != nil {
		return e.other[i]
	}
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom16(e.ip[i]).Unmap(), e.port[i]))
}
