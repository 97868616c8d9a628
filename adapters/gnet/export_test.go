//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package gnet

// WithoutPoller makes a loop that does not find gnet's poller.
func WithoutPoller() Option { return func(o *options) { o.blind = true } }
