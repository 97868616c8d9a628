//go:build !race

package main

import (
	"testing"

	"github.com/haypile/haypile/bench/internal/loops"
)

// What a message allocates on its way, whatever the machine is busy with.
func TestAllocationsOfAMessage(t *testing.T) {
	const some = 0.05 // of buffers that grow at first
	for _, c := range []struct {
		flags string
		most  float64
	}{
		{"-api callback -mode pingpong", 0},
		{"-api callback -mode publish", 0},
		{"-api callback -mode publish-props", 0},
		{"-api callback -mode publish-confirm", 0},
		{"-api callback -mode consume-auto", 0},
		{"-api callback -mode consume-props", 0},
		{"-api callback -mode consume-props -read", 0},
		{"-api callback -mode consume-ack", 0},
		{"-api callback -mode consume-multi", 0},
		{"-api callback -mode rpc", 2},
		{"-mode publish", 0},
		{"-mode publish-props", 3},   // the properties, which are built anew
		{"-mode publish-confirm", 1}, // the handle
		{"-mode publish-parallel", 0},
		{"-mode consume-auto", 2},
		{"-mode consume-props", 2},
		{"-mode consume-props -read", 8}, // a map with what is in it, and one copy of all text
		{"-mode consume-ack", 2},
		{"-mode consume-multi", 2.1}, // the batches
		{"-mode pingpong", 4},        // two fewer where a loop is woken without
		{"-mode rpc", 8},             // one fewer where a loop is woken without
	} {
		for _, adapter := range loops.Names {
			t.Run(c.flags+" on "+adapter, func(t *testing.T) {
				r, err := run(t, c.flags+" -n 20000 -adapter "+adapter)
				if err != nil {
					t.Fatal(err)
				}
				if got := float64(r.used.Allocs) / float64(r.j.n); got > c.most+some {
					t.Errorf("%.3f allocations, want at most %v", got, c.most)
				}
			})
		}
	}
}
