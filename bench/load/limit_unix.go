//go:build linux || darwin

package main

import "syscall"

// raiseFileLimit allows as many descriptors as it may: more connections than are
// allowed fail, and say why.
func raiseFileLimit() {
	const enough = 65536
	var now syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &now) != nil || now.Cur >= enough {
		return
	}
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: enough, Max: max(now.Max, enough)}) != nil {
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: now.Max, Max: now.Max})
	}
}
