package ioloop

import "time"

// Break makes waiting fail with err until mend is called. On the loop, or while
// it does not run.
func (l *Loop) Break(err error) (mend func()) {
	whole := l.poller
	l.poller = broken{whole, err}
	return func() { l.poller = whole }
}

type broken struct {
	poller
	err error
}

func (b broken) wait(dst []event, _ time.Time, _ func() bool) ([]event, error) { return dst, b.err }
