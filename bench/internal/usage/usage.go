// Package usage tells what the process holds.
package usage

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"
)

// Usage is what a process holds: bytes, and goroutines.
type Usage struct{ Resident, Heap, Stack, Goroutines int }

// Settled is what the process holds when all that can be given back has been.
// Resident is zero where the system has no /proc.
func Settled() Usage {
	debug.FreeOSMemory()
	time.Sleep(100 * time.Millisecond)
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u := Usage{Heap: int(m.HeapAlloc), Stack: int(m.StackInuse), Goroutines: runtime.NumGoroutine()}
	var pages int
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		fmt.Sscan(string(text), new(int), &pages)
	}
	u.Resident = pages * os.Getpagesize()
	return u
}
