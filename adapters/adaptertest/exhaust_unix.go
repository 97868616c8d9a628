//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package adaptertest

import (
	"os"
	"syscall"
)

const exhaustible = true

// exhaust leaves the process without a free file descriptor until release.
func exhaust(t *trial) (release func()) {
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	probe, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	held := []*os.File{probe}
	few := before
	few.Cur = min(few.Cur, 64+limit(probe.Fd())) // so that not many need be opened
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few); err != nil {
		probe.Close()
		t.Fatal(err)
	}
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		held = append(held, f)
	}
	return func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
			t.Error(err)
		}
		for _, f := range held {
			f.Close()
		}
	}
}
