// Package usage tells what the process has used.
package usage

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"
)

// Usage is what the process has used since it began.
type Usage struct {
	At           time.Time
	User, System time.Duration // CPU time
	MaxResident  int           // largest resident memory so far, bytes; 0 where the system does not tell
	Allocs       uint64        // objects
	Bytes        uint64        // of them
	Writes       int64         // system calls that write; -1 where the system does not tell
}

// CPU is the time that was spent on all threads.
func (u Usage) CPU() time.Duration { return u.User + u.System }

// Now is the usage up to now.
func Now() Usage {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u := Usage{Allocs: m.Mallocs, Bytes: m.TotalAlloc, Writes: writes()}
	u.User, u.System, u.MaxResident = times()
	u.MaxResident = peak(u.MaxResident)
	u.At = time.Now()
	return u
}

// Since is what was used after an earlier usage.
func (u Usage) Since(before Usage) Usage {
	u.User -= before.User
	u.System -= before.System
	u.Allocs -= before.Allocs
	u.Bytes -= before.Bytes
	if u.Writes >= 0 {
		u.Writes -= before.Writes
	}
	return u
}

// Of is the share of part in what the whole of equals has used.
func (u Usage) Of(part, whole int) Usage {
	share := float64(part) / float64(whole)
	u.User = time.Duration(float64(u.User) * share)
	u.System = time.Duration(float64(u.System) * share)
	u.Allocs = uint64(float64(u.Allocs) * share)
	u.Bytes = uint64(float64(u.Bytes) * share)
	if u.Writes >= 0 {
		u.Writes = int64(float64(u.Writes) * share)
	}
	return u
}

// writes is Linux's count.
func writes() int64 { return counter("/proc/self/io", "syscw:") }

// peak is the largest resident memory so far, bytes. What the system tells of a
// process on Linux has in it that of the program that started it, so there it is
// asked of the memory.
func peak(told int) int {
	if kib := counter("/proc/self/status", "VmHWM:"); kib >= 0 {
		return int(kib) << 10
	}
	return told
}

// counter is the number that follows a label in a file of Linux's, -1 where there
// is none.
func counter(file, label string) (n int64) {
	text, err := os.ReadFile(file)
	if err != nil {
		return -1
	}
	at := bytes.Index(text, []byte(label))
	if at < 0 {
		return -1
	}
	if _, err := fmt.Sscan(string(text[at+len(label):]), &n); err != nil {
		return -1
	}
	return n
}

// Held is what the process holds: bytes, and goroutines.
type Held struct{ Resident, Heap, Stack, Goroutines int }

// Since is what was added to what was held earlier.
func (h Held) Since(before Held) Held {
	return Held{h.Resident - before.Resident, h.Heap - before.Heap, h.Stack - before.Stack, h.Goroutines - before.Goroutines}
}

// Settled is what the process holds when all that can be given back has been.
func Settled() Held {
	debug.FreeOSMemory()
	time.Sleep(100 * time.Millisecond) // for finalizers
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return Held{resident(), int(m.HeapAlloc), int(m.StackInuse), runtime.NumGoroutine()}
}

// resident is the memory that is resident now, bytes; 0 where the system does not
// tell.
func resident() int {
	var pages int
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		fmt.Sscan(string(text), new(int), &pages)
	}
	return pages * os.Getpagesize()
}
