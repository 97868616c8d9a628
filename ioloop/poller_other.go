//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package ioloop

// Pollers are those that this system has: none.
func Pollers() []Poller { return nil }

func newPoller(kind Poller) (poller, error) { return nil, unsupported(kind) }

func checkOpen(int) error { return ErrUnsupported }
