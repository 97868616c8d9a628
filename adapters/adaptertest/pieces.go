package adaptertest

import (
	"bytes"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/haypile/haypile/adapters"
)

// pieces are the sizes of what is written together: a transport may send what is
// large another way than what is small, and must not have one overtake the other.
var pieces = [][]int{
	{1}, {7, 20_000, 9}, {100, 100}, {300_000}, {16_383, 16_384}, {40_000, 0, 1}, {65_536},
	slices.Repeat([]int{1, 3000}, 60), slices.Repeat([]int{9, 4096}, 90), slices.Repeat([]int{300}, 200),
	append(slices.Repeat([]int{5}, 63), 500_000, 3, 70_000),
}

// testMixedPieces has other goroutines and input ask for output at once, more than
// the kernel holds, of a peer that reads little by little.
func testMixedPieces(t *trial) {
	const askers, rounds = 4, 20
	size := 0
	for _, sizes := range pieces {
		for _, n := range sizes {
			size += n * rounds
		}
	}
	out := pattern(size)
	left, next := out, 0 // of the handler's calls
	var asked atomic.Int64
	p := &probe{}
	pump := func() {
		for int64(next) < asked.Load() && len(left) > 0 && p.transport.Buffered() < adapters.HighWater {
			var segs [][]byte
			for _, n := range pieces[next%len(pieces)] {
				segs = append(segs, bytes.Clone(left[:n]))
				left = left[n:]
			}
			next++
			p.transport.Write(segs)
			for _, s := range segs {
				clear(s) // it was lent for the call
			}
		}
	}
	p.wake = func(time.Time) { pump() }
	p.data = func(b []byte) {
		asked.Add(int64(len(b)))
		pump()
	}
	t.attach(p)
	var wg sync.WaitGroup
	defer wg.Wait()
	for range askers {
		wg.Go(func() {
			for range rounds * len(pieces) / askers {
				asked.Add(1)
				p.transport.Wake()
				runtime.Gosched()
			}
		})
	}
	p.peer.SetDeadline(time.Now().Add(bound))
	got := make([]byte, size)
	for n := 0; n < size; {
		k, err := io.ReadAtLeast(p.peer, got[n:min(size, n+20_000)], 1)
		if n += k; err != nil {
			t.Fatalf("the peer got %d bytes of %d, then %v", n, size, err)
		}
		if _, err := p.peer.Write([]byte{1}); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(got, out) {
		t.Error("bytes were lost, doubled or swapped")
	}
}
