package usage

import (
	"syscall"
	"time"
)

// times is the CPU time that the process has spent.
func times() (user, system time.Duration, resident int) {
	self, err := syscall.GetCurrentProcess()
	var begun, ended, kernel, own syscall.Filetime
	if err == nil {
		err = syscall.GetProcessTimes(self, &begun, &ended, &kernel, &own)
	}
	if err != nil {
		panic(err) // cannot fail for one's own process
	}
	return span(own), span(kernel), 0
}

// span is a length of time, in units of 100 ns.
func span(t syscall.Filetime) time.Duration {
	return 100 * time.Duration(int64(t.HighDateTime)<<32|int64(t.LowDateTime))
}
