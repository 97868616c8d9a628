package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"time"

	"github.com/haypile/haypile/bench/internal/usage"
)

// idle opens connections, holds them while heartbeats come and go, and looks at
// what each has cost. The messages of its result are connections, and its times
// those of holding them.
func idle(ctx context.Context, j *job) (*result, error) {
	j.heartbeat = 10 * time.Second
	warm, _, err := openAll(ctx, j, max(10, j.n/10)) // what is there once for all
	defer closeAll(warm)
	if err != nil {
		return nil, err
	}
	before := holding()
	clients, _, err := openAll(ctx, j, j.n)
	defer closeAll(clients)
	if err != nil {
		return nil, err
	}
	start := usage.Now()
	time.Sleep(j.hold)
	used := usage.Now().Since(start)
	after := holding()
	if err := writeHeap(j.memProfile); err != nil {
		return nil, err
	}
	runtime.KeepAlive(clients)
	more := fmt.Sprintf(" resident_bytes=%d heap_bytes=%d stack_bytes=%d goroutines=%.3f cpu_percent=%.2f",
		(after.resident-before.resident)/j.n, (after.heap-before.heap)/j.n, (after.stack-before.stack)/j.n,
		float64(after.goroutines-before.goroutines)/float64(j.n), 100*used.CPU().Seconds()/j.hold.Seconds())
	return &result{j: j, used: used, wall: used.At.Sub(start.At), more: more}, nil
}

type held struct{ resident, heap, stack, goroutines int }

// holding is what the process holds when all that can be given back has been.
func holding() held {
	debug.FreeOSMemory()
	time.Sleep(100 * time.Millisecond) // for finalizers
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return held{resident: usage.Resident(), heap: int(m.HeapAlloc), stack: int(m.StackInuse), goroutines: runtime.NumGoroutine()}
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
