//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package gnet_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/panjf2000/gnet/v2/pkg/pool/byteslice"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/gnet"
)

const bound = 30 * time.Second

// handler passes its calls on.
type handler struct {
	open  func(t adapters.Transport)
	data  func(p []byte)
	wake  func()
	ended chan error
	t     adapters.Transport
}

func (h *handler) OnOpen(t adapters.Transport, _ time.Time) {
	h.t = t
	if h.open != nil {
		h.open(t)
	}
}

func (h *handler) OnData(p []byte, _ time.Time) {
	if h.data != nil {
		h.data(p)
	}
}

func (h *handler) OnWake(time.Time) {
	if h.wake != nil {
		h.wake()
	}
}

func (h *handler) OnClose(err error, _ time.Time) { h.ended <- err }

// attach runs a handler against a peer.
func attach(t *testing.T, l *gnet.Loop, h *handler) (peer net.Conn) {
	t.Helper()
	ours, peer := pair(t)
	attachConn(t, l, h, ours)
	return peer
}

func attachConn(t *testing.T, l *gnet.Loop, h *handler, ours net.Conn) {
	t.Helper()
	opened, open := make(chan struct{}), h.open
	h.open = func(tr adapters.Transport) {
		if open != nil {
			open(tr)
		}
		close(opened)
	}
	h.ended = make(chan error, 1)
	if err := l.Attach(ours, h); err != nil {
		t.Fatal(err)
	}
	<-opened
}

func pair(t *testing.T) (ours, peer net.Conn) {
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

// running is a loop that is closed when the test ends.
func running(t *testing.T, opts ...gnet.Option) *gnet.Loop {
	l := start(t, opts...)
	t.Cleanup(func() {
		l.Close()
		<-l.Done()
	})
	return l
}

// gnet puts the memory of an address's zone, which strings share, among its
// buffers.
func TestZonesAreNotOverwritten(t *testing.T) {
	l := running(t)
	ours, peer := pair(t)
	zone := strings.Repeat("z", 64)
	ours.LocalAddr().(*net.TCPAddr).Zone = zone
	h := &handler{}
	attachConn(t, l, h, ours)
	if got := h.t.LocalAddr().(*net.TCPAddr).Zone; got != zone {
		t.Errorf("zone %q", got)
	}
	peer.Close()
	<-h.ended
	for range 100 {
		b := byteslice.Get(64)
		for i := range b {
			b[i] = 'x'
		}
	}
	if zone != strings.Repeat("z", 64) {
		t.Errorf("the zone became %q", zone)
	}
}

func TestLoggerIsTheProgramsAndOneOfWarningsByDefault(t *testing.T) {
	lines := &lines{}
	l := start(t, gnet.WithLogger(lines))
	l.Close()
	<-l.Done()
	if lines.count() == 0 {
		t.Error("gnet said nothing to the program's logger")
	}
	l = start(t, gnet.WithLogger(nil))
	l.Close()
	<-l.Done()
}

type lines struct {
	mu sync.Mutex
	n  int
}

func (l *lines) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.n
}

func (l *lines) add() {
	l.mu.Lock()
	l.n++
	l.mu.Unlock()
}

func (l *lines) Debugf(string, ...any) { l.add() }
func (l *lines) Infof(string, ...any)  { l.add() }
func (l *lines) Warnf(string, ...any)  { l.add() }
func (l *lines) Errorf(string, ...any) { l.add() }
func (l *lines) Fatalf(string, ...any) { l.add() }

func TestConnectionsThatWrapAnotherAreRefused(t *testing.T) {
	l := running(t)
	ours, peer := pair(t)
	wrapped := struct{ net.Conn }{ours}
	if err := l.Attach(wrapped, &handler{}); !errors.Is(err, adapters.ErrNotPollable) {
		t.Errorf("attach: %v", err)
	}
	peer.SetDeadline(time.Now().Add(bound))
	if _, err := peer.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the connection was left open: %v", err)
	}
}

// With a gnet whose poller is not where it was, what comes while reading is off
// is kept, and too much of it ends the transport.
func TestReadingThatCannotBeStoppedIsBounded(t *testing.T) {
	l := running(t, gnet.WithoutPoller())
	got := make(chan string, 10)
	on := make(chan struct{})
	h := &handler{open: func(t adapters.Transport) { t.SetReading(false) }, data: func(p []byte) { got <- string(p) }}
	h.wake = func() {
		h.t.SetReading(true)
		close(on)
	}
	peer := attach(t, l, h)
	peer.Write([]byte("kept"))
	h.t.Wake()
	<-on
	if s := <-got; s != "kept" {
		t.Errorf("got %q", s)
	}

	h = &handler{open: func(t adapters.Transport) { t.SetReading(false) }, data: func([]byte) { t.Error("data came") }}
	peer = attach(t, l, h)
	peer.SetDeadline(time.Now().Add(bound))
	var err error
	for range 1000 { // until it ends, or the kernel's buffers are full
		if _, err = peer.Write(make([]byte, 64<<10)); err != nil {
			break
		}
	}
	if err := <-h.ended; !errors.Is(err, gnet.ErrNotPaused) {
		t.Errorf("ended with %v", err)
	}
}

// Many loops that come and go, each with connections of the others' numbers.
func TestWakesOfEndedTransportsReachNobody(t *testing.T) {
	for range 20 {
		l := start(t)
		h := &handler{}
		attach(t, l, h)
		var wg sync.WaitGroup
		stop := make(chan struct{})
		for range 4 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						h.t.Wake()
					}
				}
			})
		}
		l.Close()
		<-l.Done()
		// A descriptor of a number that the loop has freed: a stray byte would be
		// read from it.
		a, b := pair(t)
		for range 100 {
			h.t.Wake()
		}
		close(stop)
		wg.Wait()
		a.Close()
		b.SetDeadline(time.Now().Add(bound))
		if n, err := b.Read(make([]byte, 10)); n != 0 || err != io.EOF {
			t.Errorf("%d bytes came, %v", n, err)
		}
	}
}
