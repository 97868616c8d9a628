package adaptertest

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters"
)

// trial is one subtest with its loop.
type trial struct {
	*testing.T
	loop    adapters.Loop
	network network
	kit     *kit
}

// probe is a handler that checks the rules that hold for every call and passes
// the calls on to whichever functions a test sets.
type probe struct {
	t         *trial
	transport adapters.Transport
	peer      net.Conn

	open  func()
	data  func(p []byte)
	wake  func(now time.Time)
	close func(err error)

	inside atomic.Int32 // calls that run now
	faults atomic.Int32 // reported so far
	mu     sync.Mutex
	calls  int
	last   time.Time // of the last call
	closed bool
	opened chan struct{}
	ended  chan error // gets OnClose's error
}

// attach runs a transport with p as its handler against a peer of its own.
func (t *trial) attach(p *probe) *probe {
	t.Helper()
	ours, peer := t.network.pair(t)
	p.prepare(t, peer)
	if err := t.loop.Attach(ours, p); err != nil {
		t.Fatal(err)
	}
	t.await("OnOpen", p.opened)
	return p
}

func (p *probe) prepare(t *trial, peer net.Conn) {
	p.t, p.peer = t, peer
	p.opened, p.ended = make(chan struct{}), make(chan error, 1)
	t.Cleanup(func() { peer.Close() })
}

func (t *trial) await(what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(bound):
		t.Fatalf("not within %s: %s", bound, what)
	}
}

// awaitEnd waits for OnClose and returns its error.
func (p *probe) awaitEnd() error {
	p.t.Helper()
	select {
	case err := <-p.ended:
		return err
	case <-time.After(bound):
		p.t.Fatalf("no OnClose within %s:\n%s", bound, indent(stacks()))
		return nil
	}
}

// report fails the test. A loop that breaks a rule breaks it often: a few reports
// will do.
func (p *probe) report(format string, args ...any) {
	if p.faults.Add(1) <= 5 {
		p.t.Errorf(format, args...)
	}
}

// enter checks what holds for every call. The func it returns ends the call.
func (p *probe) enter(name string, first bool, now time.Time) func() {
	if p.inside.Add(1) != 1 {
		p.report("%s runs inside or beside another call", name)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		p.report("%s after OnClose", name)
	}
	if first != (p.calls == 0) {
		p.report("%s is call number %d", name, p.calls+1)
	}
	if now.Before(p.last) || now.After(time.Now()) {
		p.report("%s is told %v, the call before it was told %v", name, now, p.last)
	}
	p.last = now
	p.calls++
	return func() { p.inside.Add(-1) }
}

func (p *probe) OnOpen(t adapters.Transport, now time.Time) {
	defer p.enter("OnOpen", true, now)()
	p.transport = t
	defer close(p.opened)
	if p.open != nil {
		p.open()
	}
}

func (p *probe) OnData(b []byte, now time.Time) {
	defer p.enter("OnData", false, now)()
	if len(b) == 0 {
		p.report("OnData without bytes")
	}
	if p.data != nil {
		p.data(b)
	}
}

func (p *probe) OnWake(now time.Time) {
	defer p.enter("OnWake", false, now)()
	p.mu.Lock()
	wake := p.wake
	p.mu.Unlock()
	if wake != nil {
		wake(now)
	}
}

func (p *probe) OnClose(err error, now time.Time) {
	defer p.enter("OnClose", false, now)()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	if p.close != nil {
		p.close(err)
	}
	p.ended <- err
}

// run has f run inside a call of the handler.
func (p *probe) run(f func()) {
	p.t.Helper()
	done := make(chan struct{})
	var once sync.Once
	p.mu.Lock()
	p.wake = func(time.Time) { once.Do(func() { f(); close(done) }) }
	p.mu.Unlock()
	p.transport.Wake()
	select {
	case <-done:
	case err := <-p.ended:
		p.ended <- err
		select {
		case <-done: // before the end
		default:
			p.t.Fatalf("the transport has ended with %v", err)
		}
	case <-time.After(bound):
		p.t.Fatalf("not within %s: OnWake after Wake", bound)
	}
}

// pattern is n bytes that show any loss, doubling or disorder.
func pattern(n int) []byte {
	p := make([]byte, n)
	for at := 0; at < n; {
		at += copy(p[at:], period())
	}
	return p
}

// period is what pattern repeats, as long as no buffer is. It is made once, since
// what is set byte by byte takes long under the race detector.
var period = sync.OnceValue(func() []byte {
	p := make([]byte, 1_048_573)
	x := uint32(1)
	for i := range p {
		x = x*1664525 + 1013904223
		p[i] = byte(x >> 24)
	}
	return p
})

// readAll reads the peer's side to its end.
func readAll(t *trial, peer net.Conn) []byte {
	t.Helper()
	peer.SetReadDeadline(time.Now().Add(bound))
	all, err := io.ReadAll(peer)
	if err != nil {
		t.Errorf("reading at the peer: %v after %d bytes", err, len(all))
	}
	return all
}
