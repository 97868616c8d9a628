package blocking

import (
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestPendingIsAnOrderedMap(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 0))
		var p pending
		want := map[uint64]*outcome{}
		next := uint64(1)
		leave := func(first, last uint64) {
			t.Helper()
			var got []uint64
			p.take(first, last, func(o *outcome) { got = append(got, o.call) })
			all := slices.Sorted(maps.Keys(want))
			left := slices.DeleteFunc(all, func(n uint64) bool { return n < first || n > last })
			if !slices.Equal(got, left) {
				t.Fatalf("seed %d: %d to %d: %v left, want %v", seed, first, last, got, left)
			}
			for _, n := range got {
				delete(want, n)
			}
		}
		for range 300 {
			switch some := 1 + r.Uint64N(next); r.IntN(6) {
			case 0:
				leave(some, some)
			case 1:
				leave(some, some+r.Uint64N(5))
			case 2:
				if got := p.get(some); got != want[some] {
					t.Fatalf("seed %d: %d is %v, want %v", seed, some, got, want[some])
				}
			default:
				for _, n := range r.Perm(1 + r.IntN(3)) { // nearly in order
					o := &outcome{call: next + uint64(n)}
					want[o.call] = o
					p.add(o.call, o)
				}
				next += 3 + r.Uint64N(2)
			}
		}
		leave(0, math.MaxUint64)
	}
}

func TestPendingFollowsWhatItHoldsInMemory(t *testing.T) {
	var p pending
	p.add(1, &outcome{}) // never leaves
	for n := uint64(2); n < 100_000; n++ {
		p.add(n, &outcome{})
		p.take(n, n, func(*outcome) {})
	}
	if cap(p.all) > 64 {
		t.Errorf("%d places for %d", cap(p.all), p.n)
	}
	for n := range uint64(100_000) {
		p.add(200_000+n, &outcome{})
	}
	p.take(0, math.MaxUint64, func(*outcome) {})
	if cap(p.all) > keepPending || p.n != 0 {
		t.Errorf("%d places for %d when all have left", cap(p.all), p.n)
	}
}
