package instant

import (
	"math"
	"testing"
	"time"
)

func TestInstantsAreTimes(t *testing.T) {
	now := time.Now()
	for _, at := range []time.Time{{}, now, now.Add(-time.Hour), now.Add(time.Hour)} {
		if got := Of(at).Time(); !got.Equal(at) {
			t.Errorf("%v became %v", at, got)
		}
	}
}

func TestNothingIsAfterTheLastInstant(t *testing.T) {
	if got := Now().Add(math.MaxInt64); got != math.MaxInt64 || got.Until() <= 0 {
		t.Errorf("%d, in %v", got, got.Until())
	}
}

func TestTheEarlierOfTwoIsNotNone(t *testing.T) {
	for _, c := range []struct{ a, b, want Instant }{{0, 0, 0}, {0, 2, 2}, {1, 0, 1}, {1, 2, 1}, {2, 1, 1}} {
		if got := Earlier(c.a, c.b); got != c.want {
			t.Errorf("of %d and %d: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
