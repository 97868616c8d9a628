// Package instant has points in time in a third of the room that a time.Time
// takes, for what there is one of, or several, per connection.
package instant

import (
	"math"
	"time"
)

// Instant is a point in time on the monotonic clock, in nanoseconds since some
// moment before the program began. The zero value is none.
type Instant int64

var base = time.Now().Add(-time.Second)

// Of is the instant of a time, none for the zero one.
func Of(t time.Time) Instant {
	if t.IsZero() {
		return 0
	}
	return Instant(t.Sub(base))
}

// Now is the present.
func Now() Instant { return Instant(time.Since(base)) }

// Time is the instant as a time, the zero one for none.
func (i Instant) Time() time.Time {
	if i == 0 {
		return time.Time{}
	}
	return base.Add(time.Duration(i))
}

// Add is the instant d later, or the last that there is.
func (i Instant) Add(d time.Duration) Instant {
	if d > 0 && i > math.MaxInt64-Instant(d) {
		return math.MaxInt64
	}
	return i + Instant(d)
}

// Until is how long it is to the instant.
func (i Instant) Until() time.Duration { return time.Duration(i - Now()) }

// Earlier is the earlier of two, of which each may be none.
func Earlier(a, b Instant) Instant {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
