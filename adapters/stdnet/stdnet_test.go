package stdnet_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/adaptertest"
	"github.com/haypile/haypile/adapters/stdnet"
)

func TestLoop(t *testing.T) {
	adaptertest.Run(t, func(*testing.T) adapters.Loop { return stdnet.New() }, adaptertest.WithPipes())
}

func TestAttachOfNothingIsAnError(t *testing.T) {
	loop := stdnet.New()
	if err := loop.Attach(nil, &echo{}); err == nil {
		t.Error("a nil connection is attached")
	}
	ours, peer := tcpPair(t)
	if err := loop.Attach(ours, nil); err == nil {
		t.Error("a nil handler is attached")
	}
	if n, err := peer.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("Attach without a handler leaves the connection open: %d, %v", n, err)
	}
	closeLoop(t, loop)
}

// scripted is a handler made of funcs; those that are nil do nothing.
type scripted struct {
	adapters.Transport
	open, wake func(t adapters.Transport)
	data       func(p []byte)
	ended      chan error
	last       func()
}

func (s *scripted) OnOpen(t adapters.Transport, _ time.Time) {
	s.Transport = t
	if s.open != nil {
		s.open(t)
	}
}

func (s *scripted) OnData(p []byte, _ time.Time) {
	if s.data != nil {
		s.data(p)
	}
}

func (s *scripted) OnWake(time.Time) {
	if s.wake != nil {
		s.wake(s.Transport)
	}
}

func (s *scripted) OnClose(err error, _ time.Time) {
	s.ended <- err
	if s.last != nil {
		s.last()
	}
}

// attach runs s on conn, on a loop of its own that is closed with the test.
func attach(t *testing.T, conn net.Conn, s *scripted) *stdnet.Loop {
	t.Helper()
	loop := stdnet.New()
	s.ended = make(chan error, 1)
	if err := loop.Attach(conn, s); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeLoop(t, loop) })
	return loop
}

const bound = 2 * time.Minute

func closeLoop(t *testing.T, loop *stdnet.Loop) {
	t.Helper()
	loop.Close()
	await(t, "Done", loop.Done())
}

func await[T any](t *testing.T, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(bound):
		t.Fatalf("no %s within %s", what, bound)
	}
	return v
}

// shouting is what an embedded connection looks like that changes the bytes.
type shouting struct{ *net.TCPConn }

func (c shouting) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	copy(p, bytes.ToUpper(p[:n]))
	return n, err
}

func (c shouting) Write(p []byte) (int, error) {
	n, err := c.TCPConn.Write(append(p[:len(p):len(p)], '!'))
	return min(n, len(p)), err
}

func TestConnectionThatEmbedsATCPConnIsNotBypassed(t *testing.T) {
	ours, peer := tcpPair(t)
	s := &scripted{}
	s.data = func(p []byte) { s.Write([][]byte{p}) }
	attach(t, shouting{ours.(*net.TCPConn)}, s)
	peer.Write([]byte("hello"))
	peer.SetReadDeadline(time.Now().Add(bound))
	got := make([]byte, 6)
	if _, err := io.ReadFull(peer, got); err != nil || string(got) != "HELLO!" {
		t.Errorf("got %q, %v", got, err)
	}
}

// stuck is a connection whose Close waits, as that of a tls.Conn may.
type stuck struct {
	net.Conn
	closing chan struct{}
}

func (c stuck) Close() error {
	<-c.closing
	return c.Conn.Close()
}

func TestLoopCloseDoesNotWaitForAConnection(t *testing.T) {
	ours, _ := net.Pipe()
	conn := stuck{ours, make(chan struct{})}
	s := &scripted{}
	loop := attach(t, conn, s)
	loop.Close() // would hang
	select {
	case <-loop.Done():
		t.Error("done before the connection was closed")
	default:
	}
	close(conn.closing)
	if err := await(t, "OnClose", s.ended); err != nil {
		t.Errorf("OnClose got %v", err)
	}
}

func TestResetIsTheErrorOfPackageNet(t *testing.T) {
	ours, peer := tcpPair(t)
	s := &scripted{}
	attach(t, ours, s)
	peer.(*net.TCPConn).SetLinger(0)
	peer.Close()
	err := await(t, "OnClose", s.ended)
	var op *net.OpError
	var call *os.SyscallError
	if !errors.As(err, &op) || op.Op != "read" || op.Addr.String() != peer.LocalAddr().String() || !errors.As(err, &call) {
		t.Errorf("OnClose got %#v", err)
	}
}

func TestPanicAfterAbortIsStillTold(t *testing.T) {
	ours, _ := tcpPair(t)
	s := &scripted{open: func(t adapters.Transport) {
		t.Abort()
		panic("too late")
	}}
	attach(t, ours, s)
	var panicked *adapters.PanicError
	if err := await(t, "OnClose", s.ended); !errors.As(err, &panicked) || panicked.Value != "too late" {
		t.Errorf("OnClose got %v", err)
	}
}

// Since a handler may be called by any goroutine, t.Fatal may be what ends one in it.
func TestAHandlerThatEndsItsGoroutineEndsTheTransport(t *testing.T) {
	for name, s := range map[string]*scripted{
		"OnOpen": {open: func(adapters.Transport) { runtime.Goexit() }},
		"OnData": {data: func([]byte) { runtime.Goexit() }},
		"OnWake": {open: func(t adapters.Transport) { t.Wake() }, wake: func(adapters.Transport) { runtime.Goexit() }},
	} {
		t.Run(name, func(t *testing.T) {
			ours, peer := tcpPair(t)
			attach(t, ours, s)
			peer.Write([]byte("hello"))
			var ended *adapters.PanicError
			if err := await(t, "OnClose", s.ended); !errors.As(err, &ended) || !strings.Contains(err.Error(), "Goexit") {
				t.Errorf("OnClose got %v", err)
			}
		})
	}
}

func TestPanicInOnCloseIsReported(t *testing.T) {
	report, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer report.Close()
	real := os.Stderr
	os.Stderr = report
	ours, _ := tcpPair(t)
	s := &scripted{last: func() { panic("at the end") }}
	loop := attach(t, ours, s)
	closeLoop(t, loop)
	os.Stderr = real
	text, err := os.ReadFile(report.Name())
	if err != nil || !strings.HasPrefix(string(text), "amqp: OnClose panicked: at the end\n") {
		t.Errorf("reported: %q, %v", text, err)
	}
}

func TestWakeupMayBeAWallClockTime(t *testing.T) {
	ours, _ := tcpPair(t)
	woken := make(chan struct{}, 1)
	attach(t, ours, &scripted{
		open: func(t adapters.Transport) {
			t.SetWakeup(time.Now().Add(20 * time.Millisecond).Round(0)) // strips the monotonic reading
		},
		wake: func(adapters.Transport) { woken <- struct{}{} },
	})
	await(t, "OnWake", woken)
}
