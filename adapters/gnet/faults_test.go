//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package gnet_test

import (
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/panjf2000/gnet/v2/pkg/pool/byteslice"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/gnet"
	"github.com/haypile/haypile/adapters/internal/looptest"
)

const bound = 2 * time.Minute

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
	ours, peer := looptest.Pair(t)
	zone := strings.Repeat("z", 64)
	ours.LocalAddr().(*net.TCPAddr).Zone = zone
	h := &looptest.Handler{}
	if err := looptest.Try(l, h, ours); err != nil {
		t.Fatal(err)
	}
	if got := h.T.LocalAddr().(*net.TCPAddr).Zone; got != zone {
		t.Errorf("zone %q", got)
	}
	peer.Close()
	<-h.Ended
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

// With a gnet whose poller is not where it was, what comes while reading is off
// is kept, and too much of it ends the transport.
func TestReadingThatCannotBeStoppedIsBounded(t *testing.T) {
	l := running(t, gnet.WithoutPoller())
	got := make(chan string, 10)
	on := make(chan struct{})
	h := &looptest.Handler{Open: func(t adapters.Transport) { t.SetReading(false) }, Data: func(p []byte) { got <- string(p) }}
	h.Wake = func() {
		h.T.SetReading(true)
		close(on)
	}
	peer := looptest.Attach(t, l, h)
	peer.Write([]byte("kept"))
	h.T.Wake()
	<-on
	if s := <-got; s != "kept" {
		t.Errorf("got %q", s)
	}

	h = &looptest.Handler{Open: func(t adapters.Transport) { t.SetReading(false) }, Data: func([]byte) { t.Error("data came") }}
	peer = looptest.Attach(t, l, h)
	peer.SetDeadline(time.Now().Add(bound))
	var err error
	for range 1000 { // until it ends, or the kernel's buffers are full
		if _, err = peer.Write(make([]byte, 64<<10)); err != nil {
			break
		}
	}
	if err := <-h.Ended; !errors.Is(err, gnet.ErrNotPaused) {
		t.Errorf("ended with %v", err)
	}
}

func TestWakesOfEndedTransportsReachNobody(t *testing.T) {
	looptest.WakesAfterTheEnd(t, func() adapters.Loop {
		return start(t, gnet.WithErrorHandler(func(err error) { t.Error(err) }))
	})
}
