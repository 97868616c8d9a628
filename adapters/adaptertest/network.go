package adaptertest

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// network is a kind of connection that a loop is tried on, and what there is to
// it.
type network struct {
	name   string
	pair   func(t *trial) (ours, peer net.Conn)
	holds  bool                                        // bytes that nobody reads
	halves bool                                        // the peer can end its side alone
	crowds bool                                        // the one to try many connections on
	reset  func(peer net.Conn)                         // breaks a connection; nil where nothing does
	listen func(t *trial) (net.Listener, dialContext)  // nil where there are no names; no dialler: the driver's
	inside func(t *testing.T, test func(t *testing.T)) // runs a test where the network is; nil for anywhere
}

type dialContext func(ctx context.Context, network, address string) (net.Conn, error)

var (
	tcp  = network{name: "tcp", pair: tcpPair, holds: true, halves: true, crowds: true, reset: resetTCP, listen: listenTCP}
	unix = network{name: "unix", pair: unixPair, holds: true, halves: true}
	pipe = network{name: "pipe", pair: pipePair}
)

// need tells whether a network has what a test needs.
type need func(n *network) bool

func (n *network) isTCP() bool    { return n.name == "tcp" } // where a host has a certificate
func (n *network) canHold() bool  { return n.holds }
func (n *network) canHalve() bool { return n.halves }
func (n *network) canCrowd() bool { return n.crowds } // the number is the point, not the kind
func (n *network) canReset() bool { return n.reset != nil }
func (n *network) hasNames() bool { return n.listen != nil }

// canBridge is false where there is no type of connection but one.
func (n *network) canBridge() bool { return n.listen != nil && n.inside == nil }

// canExhaust is false where connections need nothing of the system.
func (n *network) canExhaust() bool { return exhaustible && n.inside == nil }

// try runs a test.
func (n *network) try(t *testing.T, test func(t *testing.T)) {
	if n.inside != nil {
		n.inside(t, test)
	} else {
		test(t)
	}
}

func tcpPair(t *trial) (ours, peer net.Conn) { return socketPair(t.T, "tcp", "127.0.0.1:0") }

func resetTCP(peer net.Conn) {
	peer.(*net.TCPConn).SetLinger(0)
	peer.Close()
}

func listenTCP(t *trial) (net.Listener, dialContext) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln, nil
}

func unixPair(t *trial) (ours, peer net.Conn) {
	dir, err := os.MkdirTemp("", "") // a short path: UNIX sockets allow a hundred bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return socketPair(t.T, "unix", filepath.Join(dir, "s"))
}

func pipePair(*trial) (ours, peer net.Conn) { return net.Pipe() }

func socketPair(t *testing.T, network, address string) (ours, peer net.Conn) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if ours, err = net.Dial(network, l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if peer, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return ours, peer
}
