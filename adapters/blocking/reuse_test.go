package blocking

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// lendTo lends a body that is a copy of content.
func (p *bodies) lendTo(use func(d *Delivery) bool, content ...byte) bool {
	d := &Delivery{ch: &Channel{conn: &Conn{}}, Body: p.copyOf(content)}
	return p.lend(context.Background(), "q", d, func(d *Delivery, _ error) bool { return use(d) })
}

func TestABodyIsTakenBackHoweverItsTurnEnds(t *testing.T) {
	for name, end := range map[string]func(){
		"going on": func() {},
		"a panic":  func() { panic("oops") },
	} {
		t.Run(name, func(t *testing.T) {
			var p bodies
			var lent *Delivery
			var kept []byte
			func() {
				defer func() { _ = recover() }()
				p.lendTo(func(d *Delivery) bool {
					lent, kept = d, d.Body
					d.Body = d.Body[1:] // as a program may
					end()
					return true
				}, 1, 2, 3)
			}()
			if lent.Body != nil {
				t.Errorf("the delivery still has a body: %v", lent.Body)
			}
			if overwritten := bytes.Equal(kept, []byte{0xDB, 0xDB, 0xDB}); overwritten != scribble {
				t.Errorf("who kept the body has %v", kept)
			}
			p.lendTo(func(d *Delivery) bool {
				if &d.Body[0] != &kept[0] || !bytes.Equal(d.Body, []byte{4, 5}) {
					t.Errorf("the next body is %v, in memory of its own: %t", d.Body, &d.Body[0] != &kept[0])
				}
				return true
			}, 4, 5)
		})
	}
}

func TestShelvesFitTheirBodies(t *testing.T) {
	last := -1
	for n := range freeMost + 1 {
		i, size := shelfOf(n)
		if i >= shelves || i < last || size < n || n > smallestBody && n < size*4/5 {
			t.Fatalf("a body of %d bytes has shelf %d, of %d", n, i, size)
		}
		if same, again := shelfOf(size); same != i || again != size {
			t.Fatalf("a buffer of %d bytes goes from shelf %d to %d", size, i, same)
		}
		last = i
	}
	if i, _ := shelfOf(freeMost + 1); i < shelves {
		t.Errorf("larger ones have shelf %d", i)
	}
}

// free is how many bytes are on the shelves, both as counted and as they are.
func (p *bodies) free() (counted, real int) {
	for _, s := range p.shelves {
		for _, b := range s.free {
			real += cap(b)
		}
	}
	return p.bytes, real
}

func TestFreeMemoryOfBodiesIsBounded(t *testing.T) {
	var p bodies
	rng := rand.New(rand.NewPCG(1, 2))
	var out []*Delivery
	for range 3000 {
		if len(out) < 40 && rng.IntN(2) == 0 {
			out = append(out, &Delivery{Body: p.copyOf(make([]byte, rng.IntN(1<<rng.IntN(22))))})
		} else if len(out) > 0 {
			i := rng.IntN(len(out))
			p.takeBack(out[i], out[i].Body)
			out = append(out[:i], out[i+1:]...)
		}
		if counted, real := p.free(); counted != real || real > freeMost {
			t.Fatalf("%d bytes are free, and %d counted", real, counted)
		}
	}
}

func TestMemoryOfLargeBodiesIsNotKeptForSmallOnes(t *testing.T) {
	var p bodies
	p.lendTo(func(*Delivery) bool { return true }, make([]byte, 1<<20)...)
	for range 2 * trimEvery {
		p.lendTo(func(*Delivery) bool { return true }, 1)
	}
	if counted, real := p.free(); counted != smallestBody || real != smallestBody {
		t.Errorf("%d bytes are kept, and %d counted, for bodies of one", real, counted)
	}
}

func TestMemoryOfBodiesIsNotKeptWhileNothingComes(t *testing.T) {
	for name, patience := range map[string]time.Duration{
		"with an end":  10 * freeKeep,
		"in intervals": freeKeep / 3,
		"for ever":     forever,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := &consumer{inbox: newInbox(1, false), bodies: &bodies{}}
				early, late := &Delivery{Body: k.bodies.copyOf([]byte{1})}, &Delivery{Body: k.bodies.copyOf([]byte{2})}
				k.bodies.takeBack(early, early.Body)
				ctx, cancel := context.WithTimeout(t.Context(), 2*freeKeep)
				defer cancel()
				began := time.Now()
				err := ErrInactive
				for err == ErrInactive {
					_, err = k.await(ctx, patience)
					if _, real := k.bodies.free(); real == 0 && time.Since(began) < freeKeep {
						t.Errorf("it is dropped after %v", time.Since(began))
					}
				}
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("the wait ended with %v", err)
				}
				k.bodies.takeBack(late, late.Body) // by a worker that took long
				if _, real := k.bodies.free(); real != 0 {
					t.Errorf("%d bytes are kept", real)
				}
				k.inbox.put(&Delivery{Body: k.bodies.copyOf([]byte{3})})
				items, err := k.await(t.Context(), patience)
				if err != nil || len(items) != 1 {
					t.Fatal(err)
				}
				k.bodies.takeBack(items[0], items[0].Body)
				if _, real := k.bodies.free(); real == 0 {
					t.Error("nothing is kept when messages come again")
				}
			})
		})
	}
}

func TestInactivityIsAsLongAsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &consumer{inbox: newInbox(1, false), bodies: &bodies{}}
		for _, patience := range []time.Duration{freeKeep / 3, freeKeep, 5 * freeKeep, freeKeep * 3 / 4} {
			began := time.Now()
			if _, err := k.await(t.Context(), patience); err != ErrInactive || time.Since(began) != patience {
				t.Errorf("after %v: %v, want it after %v", time.Since(began), err, patience)
			}
		}
	})
}
