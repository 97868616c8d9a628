package broker

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/haypile/haypile/broker/internal/queue"
)

// TestUnackedAgreesWithAPlainList plays random acks against a slice of tags.
func TestUnackedAgreesWithAPlainList(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var u unacked
	var plain []uint64
	var out []delivery // taken, to be restored
	next := uint64(0)
	for range 200_000 {
		switch tag := r.Uint64N(next + 2); r.IntN(6) {
		case 0, 1:
			next += 1 + r.Uint64N(2)
			u.push(delivery{tag: next, entry: new(queue.Entry)})
			plain = append(plain, next)
		case 2, 3:
			if len(plain) > 0 && r.IntN(2) == 0 {
				tag = plain[r.IntN(len(plain))]
			}
			i := slices.Index(plain, tag)
			taken, ok := u.takeOne(nil, tag)
			if ok != (i >= 0) || ok && (len(taken) != 1 || taken[0].tag != tag) {
				t.Fatalf("taking %d: %v, %v", tag, taken, ok)
			}
			if ok {
				plain = slices.Delete(plain, i, i+1)
				if r.IntN(2) == 0 {
					out = append(out, taken...)
				}
			}
		case 4:
			if r.IntN(4) > 0 {
				continue
			}
			for _, d := range out {
				plain = append(plain, d.tag)
			}
			slices.Sort(plain)
			u.restore(out)
			out = nil
		case 5:
			if r.IntN(20) > 0 || len(plain) == 0 {
				continue
			}
			i := r.IntN(len(plain))
			taken, ok := u.takeUntil(nil, plain[i])
			if !ok || !slices.EqualFunc(taken, plain[:i+1], func(d delivery, tag uint64) bool { return d.tag == tag }) {
				t.Fatalf("taking until %d: %v, %v", plain[i], taken, ok)
			}
			if r.IntN(2) == 0 {
				u.restore(taken)
			} else {
				plain = slices.Delete(plain, 0, i+1)
			}
		}
		if u.len() != len(plain) {
			t.Fatalf("%d are left, want %d", u.len(), len(plain))
		}
	}
}

func TestAcksOutOfOrderKeepLittle(t *testing.T) {
	var u unacked
	u.push(delivery{tag: 1, entry: new(queue.Entry)})
	for tag := uint64(2); tag < 100_000; tag++ {
		u.push(delivery{tag: tag, entry: new(queue.Entry)})
		if _, ok := u.takeOne(nil, tag); !ok {
			t.Fatal("not there")
		}
	}
	if cap(u.all) > 1024 {
		t.Errorf("room for %d deliveries, there is one", cap(u.all))
	}
}
