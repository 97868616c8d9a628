package stream

import (
	"net"
	"testing"
)

func TestEndsAreTheAddressesThatWerePacked(t *testing.T) {
	for _, c := range []struct{ local, remote net.Addr }{
		{&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3).To4(), Port: 65535}},
		{&net.TCPAddr{IP: net.IPv6loopback, Port: 5672}, &net.TCPAddr{IP: net.ParseIP("2001:db8::1"), Port: 40000}},
		{&net.TCPAddr{IP: net.ParseIP("fe80::1"), Port: 5672, Zone: "eth0"}, &net.TCPAddr{IP: net.ParseIP("fe80::2"), Port: 1, Zone: "eth0"}},
		{&net.UnixAddr{Name: "", Net: "unix"}, &net.UnixAddr{Name: "/run/broker", Net: "unix"}},
		{&net.TCPAddr{}, &net.TCPAddr{Port: 1}},
	} {
		e := NewEnds(c.local, c.remote)
		for _, p := range [][2]net.Addr{{e.Local(), c.local}, {e.Remote(), c.remote}} {
			if got, want := p[0], p[1]; got.String() != want.String() || got.Network() != want.Network() {
				t.Errorf("%s %s, want %s %s", got.Network(), got, want.Network(), want)
			}
		}
	}
}
