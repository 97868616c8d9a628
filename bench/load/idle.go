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
func idle(ctx context.Context, j *job, profile *profiles) (*result, error) {
	j.heartbeat = 10 * time.Second
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
	after := usage.Settled()
	if err := writeHeap(j.memProfile); err != nil {
		return nil, err
	}
	runtime.KeepAlive(clients)
	more := fmt.Sprintf(" resident_bytes=%d heap_bytes=%d stack_bytes=%d goroutines=%.3f cpu_percent=%.2f",
		(after.Resident-before.Resident)/j.n, (after.Heap-before.Heap)/j.n, (after.Stack-before.Stack)/j.n,
		float64(after.Goroutines-before.Goroutines)/float64(j.n), 100*used.CPU().Seconds()/used.At.Sub(start.At).Seconds())
	return &result{j: j, used: used, wall: used.At.Sub(start.At), more: more}, nil
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
