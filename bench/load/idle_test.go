//go:build !race

package main

import (
	"testing"

	"github.com/haypile/haypile/bench/internal/loops"
)

// What a connection holds that does nothing but beat: the heap's objects, and the
// stack of what goroutine it has.
func TestMemoryOfAnIdleConnection(t *testing.T) {
	most := map[string]struct{ heap, stack, goroutines int }{ // bytes, bytes, in all
		"ioloop": {1280, 128, 0},
		"gnet":   {1792, 128, 0},
		"evio":   {1536, 128, 0},
		"stdnet": {2560, 2304, 1},
	}
	for _, adapter := range loops.Names {
		t.Run(adapter, func(t *testing.T) {
			const n, some = 2000, 20 // goroutines of the runtime, and those that are just ending
			r, err := run(t, "-api callback -mode idle -n 2000 -heartbeat 4s -hold 5s -adapter "+adapter)
			if err != nil {
				t.Fatal(err)
			}
			want := most[adapter]
			if got := r.held.Heap / n; got > want.heap {
				t.Errorf("%d bytes of heap, want at most %d", got, want.heap)
			}
			if got := r.held.Stack / n; got > want.stack {
				t.Errorf("%d bytes of stack, want at most %d", got, want.stack)
			}
			if got := r.held.Goroutines; got > want.goroutines*n+some {
				t.Errorf("%d goroutines of %d connections, want %d each", got, n, want.goroutines)
			}
		})
	}
}
