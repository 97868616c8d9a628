package broker

import (
	"context"
	"time"
)

const (
	waitBound   = 30 * time.Second
	bubbleBound = 24 * time.Hour // of virtual time, which passes when nothing else happens
)

// patience is how long waits last whose context has no deadline.
type patience struct {
	longest  time.Duration // zero for as long as the context
	deadline time.Time     // of the test; zero for none
}

// patienceOf leaves a test time to say what it waited for in vain.
func patienceOf(t TB) (p patience) {
	p.longest = waitBound
	test, ok := t.(interface{ Deadline() (time.Time, bool) })
	if !ok { // a benchmark, which has none
		return p
	}
	defer func() {
		if recover() != nil { // so testing tells that the test is in a bubble
			p.longest = bubbleBound
		}
	}()
	p.deadline, _ = test.Deadline()
	return p
}

func (p patience) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	_, bounded := ctx.Deadline()
	if bounded || p.longest == 0 {
		return ctx, func() {}
	}
	d := p.longest
	if !p.deadline.IsZero() {
		d = min(d, time.Until(p.deadline)/2)
	}
	return context.WithTimeout(ctx, d)
}
