//go:build unix

// Package cputime tells what CPU time the process has spent.
package cputime

import (
	"syscall"
	"time"
)

// Spent is the time that the process has spent on all its threads.
func Spent() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // cannot fail for one's own process
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
