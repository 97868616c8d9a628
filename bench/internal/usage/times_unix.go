//go:build unix

package usage

import (
	"runtime"
	"syscall"
	"time"
)

// times is the CPU time that the process has spent, and the largest resident
// memory that it has had.
func times() (user, system time.Duration, resident int) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // cannot fail for one's own process
	}
	resident = int(u.Maxrss)
	if runtime.GOOS != "darwin" && runtime.GOOS != "ios" { // which count bytes, others KiB
		resident <<= 10
	}
	return time.Duration(u.Utime.Nano()), time.Duration(u.Stime.Nano()), resident
}
