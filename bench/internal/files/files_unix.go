//go:build linux || darwin

// Package files asks for as many descriptors as there are connections to be held.
package files

import "syscall"

// enough is for more connections than anybody measures.
const enough = 65536

// Raise raises the limit on open files as far as it may, and returns it.
func Raise() int {
	var now syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &now) != nil {
		return enough
	}
	if now.Cur < enough {
		if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: enough, Max: max(now.Max, enough)}) != nil {
			_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: now.Max, Max: now.Max})
		}
		if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &now) != nil {
			return enough
		}
	}
	return int(min(now.Cur, enough))
}
