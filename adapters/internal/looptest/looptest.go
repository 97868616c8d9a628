// Package looptest is what tests of single loops have in common, beside the
// conformance kit: a handler made of funcs, and connections to attach.
package looptest

import (
	"net"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters"
)

// Handler passes its calls on to whichever funcs are set.
type Handler struct {
	Open func(t adapters.Transport)
	Data func(p []byte)
	Wake func()

	T     adapters.Transport // set by OnOpen
	Ended chan error         // gets OnClose's error; made by Try
}

// OnOpen implements adapters.Handler.
func (h *Handler) OnOpen(t adapters.Transport, _ time.Time) {
	h.T = t
	if h.Open != nil {
		h.Open(t)
	}
}

// OnData implements adapters.Handler.
func (h *Handler) OnData(p []byte, _ time.Time) {
	if h.Data != nil {
		h.Data(p)
	}
}

// OnWake implements adapters.Handler.
func (h *Handler) OnWake(time.Time) {
	if h.Wake != nil {
		h.Wake()
	}
}

// OnClose implements adapters.Handler.
func (h *Handler) OnClose(err error, _ time.Time) { h.Ended <- err }

// Try attaches a connection, and waits for OnOpen if Attach succeeds.
func Try(l adapters.Loop, h *Handler, conn net.Conn) error {
	opened, open := make(chan struct{}), h.Open
	h.Open = func(t adapters.Transport) {
		if open != nil {
			open(t)
		}
		close(opened)
	}
	h.Ended = make(chan error, 1)
	err := l.Attach(conn, h)
	if err == nil {
		<-opened
	}
	return err
}

// Attach runs a handler against a peer.
func Attach(t testing.TB, l adapters.Loop, h *Handler) (peer net.Conn) {
	t.Helper()
	ours, peer := Pair(t)
	if err := Try(l, h, ours); err != nil {
		t.Fatal(err)
	}
	return peer
}

// Pair is both ends of a TCP connection over loopback. The peer's is closed when
// the test ends.
func Pair(t testing.TB) (ours, peer net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if ours, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if peer, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	return ours, peer
}
