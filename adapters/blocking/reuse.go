package blocking

import (
	"context"
	"math/bits"
	"slices"
	"sync"
	"time"
)

// bodies is the memory that a consumer's bodies take in turns (Consume.ReuseBodies).
// The loop copies bodies into it, whoever was lent one gives it back; one that is
// never given back is the garbage collector's. nil is a consumer that reuses nothing.
type bodies struct {
	mu      sync.Mutex
	shelves [shelves]shelf
	bytes   int  // on all shelves
	copied  int  // since the latest trim
	resting bool // the consumer has waited for long: nothing is put back until a message comes
}

// shelf has free buffers of one size.
type shelf struct {
	free  [][]byte // the one used last, which caches may still have, is taken first
	least int      // of how many there were since the latest trim: so many were of no use
}

const (
	smallestBody = 64
	freeMost     = 16 << 20 // bytes of a consumer's free buffers
	freeKeep     = time.Second
	trimEvery    = 256 // bodies
)

// shelves has one for each size up to freeMost.
const shelves = 4*(24-6) + 1

// shelfOf is the shelf for bodies of n bytes, and the size of its buffers. There
// are four sizes for each power of two, so that little of a large one is unused.
func shelfOf(n int) (i, size int) {
	if n <= smallestBody {
		return 0, smallestBody
	}
	power := bits.Len(uint(n - 1))
	quarter := (n - 1) >> (power - 3) // 4 to 7
	return 4*(power-7) + quarter - 3, (quarter + 1) << (power - 3)
}

// copyOf is a copy of a body, on the loop.
func (p *bodies) copyOf(body []byte) []byte {
	i, size := shelfOf(len(body))
	switch {
	case len(body) == 0:
		return nil
	case i >= shelves:
		return slices.Clone(body)
	}
	b := p.pop(i)
	if b == nil {
		b = make([]byte, 0, size)
	}
	return append(b, body...)
}

func (p *bodies) pop(i int) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resting = false
	if p.copied++; p.copied == trimEvery {
		p.trim()
	}
	s := &p.shelves[i]
	last := len(s.free) - 1
	if last < 0 {
		return nil
	}
	b := s.free[last]
	s.free[last], s.free = nil, s.free[:last]
	s.least = min(s.least, last)
	p.bytes -= cap(b)
	return b
}

// trim drops what was of no use since it was called last, under mu.
func (p *bodies) trim() {
	p.copied = 0
	for i := range p.shelves {
		s := &p.shelves[i]
		for _, b := range s.free[:s.least] {
			p.bytes -= cap(b)
		}
		s.free = slices.Delete(s.free, 0, s.least)
		if s.least = len(s.free); s.least == 0 {
			s.free = nil
		}
	}
}

// takeBack ends the loan of a delivery's body, which was body when it began.
func (p *bodies) takeBack(d *Delivery, body []byte) {
	if p == nil {
		return
	}
	d.Body = nil
	if scribble {
		for i := range body {
			body[i] = 0xDB
		}
	}
	i, size := shelfOf(cap(body))
	if i >= shelves || size != cap(body) {
		return // not from a shelf
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.resting || p.bytes+size > freeMost {
		return
	}
	p.shelves[i].free = append(p.shelves[i].free, body[:0])
	p.bytes += size
}

// rest drops all, also what is given back before the next message.
func (p *bodies) rest() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resting = true
	p.shelves, p.bytes, p.copied = [shelves]shelf{}, 0, 0
}

// lend is yield for a delivery whose body is taken back when it returns, panics or
// ends the goroutine.
func (p *bodies) lend(ctx context.Context, queue string, d *Delivery, yield func(*Delivery, error) bool) bool {
	defer p.takeBack(d, d.Body)
	return yield(d.handed(ctx, queue), nil)
}

// await takes what is in the inbox, as that does. Memory of bodies is not kept while
// nothing comes for some time.
func (k *consumer) await(ctx context.Context, patience time.Duration) ([]*Delivery, error) {
	for k.bodies != nil && k.waited < freeKeep {
		wait := min(patience, freeKeep-k.waited)
		items, err := k.inbox.take(ctx, k.taken[:0], wait)
		if err != ErrInactive {
			k.waited = 0
			return items, err
		}
		if k.waited += wait; k.waited >= freeKeep {
			k.bodies.rest()
		}
		if patience != forever {
			patience -= wait
		}
		if patience <= 0 {
			return nil, ErrInactive
		}
	}
	items, err := k.inbox.take(ctx, k.taken[:0], patience)
	if err == nil {
		k.waited = 0
	}
	return items, err
}
