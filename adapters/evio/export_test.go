//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package evio

// WithOtherFields makes a loop on an evio whose private fields have changed.
func WithOtherFields() Option {
	return func(o *options) {
		o.graft = func(any) (*graft, error) {
			return newGraft(&struct{ fd, loop int }{})
		}
	}
}

// Grafts tells whether evio itself reads the loop's connections.
func Grafts(l *Loop) bool { return l.engines[0].graft != nil }
