package stream

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/haypile/haypile/internal/instant"
)

func TestAlarms(t *testing.T) {
	var a Alarms
	all := make([]Transport, 300)
	set := map[*Transport]instant.Instant{}
	random := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		tr, at := &all[random.IntN(len(all))], instant.Instant(random.IntN(1000))
		a.Set(tr, at)
		if set[tr] = at; at == 0 {
			delete(set, tr)
		}
		if got, want := a.Next(), earliest(set); got != want {
			t.Fatalf("next is %d, want %d", got, want)
		}
	}
	for len(set) > 0 {
		at := a.Next()
		tr := a.take(0)
		if set[tr] != at || at != earliest(set) {
			t.Fatalf("took one of %d, which was set for %d; the first is %d", at, set[tr], earliest(set))
		}
		delete(set, tr)
	}
	if a.Next() != 0 {
		t.Error("something is left")
	}
}

// Sockets have their turn between heartbeats that are due together.
func TestAlarmsThatAreDueTogetherExpireInParts(t *testing.T) {
	var a Alarms
	all := make([]Transport, 2*mostExpired+1)
	for i := range all {
		all[i].wakeAt = 1
		a.Set(&all[i], 1)
	}
	for _, want := range []int{mostExpired + 1, 1, 0, 0} {
		a.Expire()
		left := 0
		for i := range all {
			if all[i].wakeAt != 0 {
				left++
			}
		}
		if left != want {
			t.Fatalf("%d are left, want %d", left, want)
		}
	}
	if a.Next() != 0 {
		t.Error("an alarm is left")
	}
}

func earliest(set map[*Transport]instant.Instant) instant.Instant {
	var all []instant.Instant
	for _, at := range set {
		all = append(all, at)
	}
	if len(all) == 0 {
		return 0
	}
	return slices.Min(all)
}
