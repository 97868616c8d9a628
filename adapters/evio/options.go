//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package evio

import "log/slog"

// Option changes what New makes.
type Option func(*options)

type options struct {
	loops  int
	relay  bool
	report func(error)
	graft  func(control any) (*graft, error) // for tests
}

func defaults() options {
	return options{loops: 1, report: func(err error) { slog.Error(err.Error()) }, graft: newGraft}
}

// WithEventLoops sets how many event loops share the connections; each is a
// thread that wakes ten times a second even when there is nothing to do, as evio
// has it. A connection stays on the loop that had the fewest when it was
// attached. Default 1, which serves thousands; values below 1 count as 1.
func WithEventLoops(n int) Option { return func(o *options) { o.loops = max(n, 1) } }

// WithRelay has the loop leave evio's private fields alone, as it does by itself
// where they cannot be used: sockets are waited for by a second poller, and input
// takes one step more. For those who would rather not depend on the inside of
// evio.
func WithRelay() Option { return func(o *options) { o.relay = true } }

// WithErrorHandler sets what is told of errors that belong to no transport, such
// as a panic in a handler's OnClose (*adapters.PanicError), or ErrNotGrafted. It
// may be called by any goroutine. Default: slog's default logger.
func WithErrorHandler(f func(error)) Option {
	return func(o *options) {
		if f != nil {
			o.report = f
		}
	}
}
