package adaptertest

import (
	"bytes"
	"io"
	"sync"
	"time"

	"github.com/haypile/haypile/adapters"
)

func testLifetime(t *trial) {
	p := t.attach(&probe{data: func([]byte) {}})
	p.peer.Write([]byte("hello"))
	p.run(func() {})
	if p.transport.LocalAddr() == nil || p.transport.RemoteAddr() == nil {
		t.Error("no addresses")
	}
	p.run(p.transport.Close)
	if err := p.awaitEnd(); err != nil {
		t.Errorf("OnClose got %v", err)
	}
	p.transport.Wake()
}

// testBytes moves more than the kernel holds in both directions at once. The
// peer begins to read when the kernel has its first share.
func testBytes(t *trial) {
	const size = 8 << 20
	in, out := pattern(size), pattern(size + 1)[1:]
	got := make([]byte, 0, size)
	whole := make(chan struct{})
	p := &probe{data: func(b []byte) {
		got = append(got, b...)
		clear(b) // the adapter's memory may be scribbled over
		if len(got) == size {
			close(whole)
		}
	}}
	t.attach(p)
	go p.peer.Write(in)
	sent := 0
	pump := func(time.Time) {
		for sent < size && p.transport.Buffered() < adapters.HighWater {
			n := min(40_000, size-sent)
			p.transport.Write([][]byte{out[sent : sent+n/2], nil, out[sent+n/2 : sent+n]})
			sent += n
		}
	}
	p.run(func() {
		p.mu.Lock()
		p.wake = pump
		p.mu.Unlock()
		pump(time.Time{})
	})
	p.peer.SetReadDeadline(time.Now().Add(bound))
	back := make([]byte, size)
	if n, err := io.ReadFull(p.peer, back); err != nil {
		t.Fatalf("peer got %d bytes, then %v", n, err)
	}
	t.await("all input", whole)
	if !bytes.Equal(got, in) || !bytes.Equal(back, out) {
		t.Error("bytes were lost, doubled or swapped")
	}
}

func testWriteCopies(t *trial) {
	const size = 3 << 20 // more than the kernel takes at once
	out := pattern(size)
	p := t.attach(&probe{})
	p.run(func() {
		lent := bytes.Clone(out)
		p.transport.Write([][]byte{lent})
		clear(lent)
		p.transport.Close()
	})
	if got := readAll(t, p.peer); !bytes.Equal(got, out) {
		t.Errorf("the peer got %d bytes, or others than were written", len(got))
	}
}

// testLowWater fills the output and drains it, several times: a loop may be
// right once because of a flag that it never clears.
func testLowWater(t *trial) {
	const size = 4 << 20
	low := make(chan struct{}, 1)
	out := pattern(size)
	p := t.attach(&probe{})
	onWake := func(time.Time) {
		if p.transport.Buffered() <= adapters.LowWater {
			select {
			case low <- struct{}{}:
			default:
			}
		}
	}
	for range 3 {
		p.run(func() {
			p.transport.Write([][]byte{out})
			if n := p.transport.Buffered(); n > size || n <= adapters.LowWater {
				t.Errorf("%d bytes buffered right after writing %d", n, size)
			}
			p.mu.Lock()
			p.wake = onWake
			p.mu.Unlock()
		})
		p.peer.SetReadDeadline(time.Now().Add(bound))
		if _, err := io.ReadFull(p.peer, make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		t.await("OnWake at LowWater", low)
		p.awaitDrained()
		select {
		case <-low: // spurious calls are allowed
		default:
		}
	}
}

// awaitDrained waits until nothing is buffered, which the peer may know before
// the transport does.
func (p *probe) awaitDrained() {
	p.t.Helper()
	for deadline := time.Now().Add(bound); ; {
		var buffered int
		p.run(func() { buffered = p.transport.Buffered() })
		if buffered == 0 {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%d bytes buffered although the peer has all", buffered)
		}
	}
}

func testStalledPeer(t *trial) {
	got := make(chan struct{}, 1)
	p := t.attach(&probe{data: func([]byte) { got <- struct{}{} }})
	p.run(func() { p.transport.Write([][]byte{make([]byte, 16<<20)}) })
	for range 10 {
		p.run(func() {}) // handler calls go on
	}
	p.peer.Write([]byte("x"))
	t.await("OnData while output is stuck", got)
	fired := make(chan struct{})
	told := sync.OnceFunc(func() { close(fired) }) // loops may wake more often
	p.run(func() {
		p.mu.Lock()
		p.wake = func(time.Time) { told() }
		p.mu.Unlock()
		p.transport.SetWakeup(time.Now().Add(10 * time.Millisecond))
	})
	t.await("the wakeup while output is stuck", fired)
	p.run(p.transport.Abort)
	p.awaitEnd()
}
