package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"time"

	"github.com/haypile/haypile/bench/internal/usage"
)

// idle opens connections, holds them while heartbeats come and go, and looks at
// what each has cost. The messages of its result are connections, and its times
// those of holding them.
//
// Memory is what these connections add to a process that has had some already, on
// both sides after a collection that has given back to the system what it can, as
// the runtime does of itself in a process that rests: the garbage of connecting does
// not count, and the holes that it leaves between what is kept do. CPU time is that
// of all connections, those that were there before included, and is divided so.
func idle(ctx context.Context, j *job, profile *profiles) (*result, error) {
	warm, _, err := openAll(ctx, j, max(10, j.n/10)) // what is there once for all
	defer closeAll(warm)
	if err != nil {
		return nil, err
	}
	before := usage.Settled()
	clients, _, err := openAll(ctx, j, j.n)
	defer closeAll(clients)
	if err != nil {
		return nil, err
	}
	runtime.GC()
	if err := profile.start(); err != nil {
		return nil, err
	}
	start := usage.Now()
	select {
	case <-time.After(j.hold):
	case <-ctx.Done():
		err = ctx.Err()
	}
	used := usage.Now().Since(start)
	profile.stop()
	if err != nil {
		return nil, err
	}
	used = used.Of(j.n, j.n+len(warm))
	after := usage.Settled()
	if err := writeHeap(j.memProfile); err != nil {
		return nil, err
	}
	runtime.KeepAlive(clients)
	held := after.Since(before)
	more := fmt.Sprintf(" resident_bytes=%d heap_bytes=%d stack_bytes=%d goroutines=%.3f cpu_percent=%.2f",
		held.Resident/j.n, held.Heap/j.n, held.Stack/j.n,
		float64(held.Goroutines)/float64(j.n), 100*used.CPU().Seconds()/j.hold.Seconds())
	return &result{j: j, used: used, wall: used.At.Sub(start.At), held: held, more: more}, nil
}

// writeHeap writes what is in use with all connections open, beside the profile of
// allocations.
func writeHeap(file string) error {
	if file == "" {
		return nil
	}
	f, err := os.Create(file + ".heap")
	if err != nil {
		return err
	}
	defer f.Close()
	return pprof.Lookup("heap").WriteTo(f, 0)
}
