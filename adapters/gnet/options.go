//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package gnet

import (
	"fmt"
	"log/slog"

	"github.com/panjf2000/gnet/v2/pkg/logging"
)

// Option changes what New makes.
type Option func(*options)

type options struct {
	loops  int
	logger logging.Logger
	report func(error)
	blind  bool
}

func defaults() options {
	return options{loops: 1, logger: quiet{}, report: func(err error) { slog.Error(err.Error()) }}
}

// WithEventLoops sets how many event loops share the connections; each is a
// thread. A connection stays where gnet puts it, on the loop that has the fewest.
// Default 1, which serves thousands; values below 1 count as 1.
func WithEventLoops(n int) Option { return func(o *options) { o.loops = max(n, 1) } }

// WithLogger sets gnet's logger, which is one for the process: a program that
// uses gnet by itself, too, should give its own. Default: warnings and errors go
// to slog's default logger, the rest nowhere.
func WithLogger(l logging.Logger) Option {
	return func(o *options) {
		if l != nil {
			o.logger = l
		}
	}
}

// WithErrorHandler sets what is told of errors that belong to no transport, such
// as a panic in a handler's OnClose (*adapters.PanicError). It may be called by
// any goroutine. Default: slog's default logger.
func WithErrorHandler(f func(error)) Option {
	return func(o *options) {
		if f != nil {
			o.report = f
		}
	}
}

// quiet is a logger that has something to say about faults alone.
type quiet struct{}

func (quiet) Debugf(string, ...any)             {}
func (quiet) Infof(string, ...any)              {}
func (quiet) Warnf(format string, args ...any)  { slog.Warn("gnet: " + fmt.Sprintf(format, args...)) }
func (quiet) Errorf(format string, args ...any) { slog.Error("gnet: " + fmt.Sprintf(format, args...)) }
func (quiet) Fatalf(format string, args ...any) { slog.Error("gnet: " + fmt.Sprintf(format, args...)) }
