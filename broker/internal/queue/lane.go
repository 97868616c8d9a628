package queue

import (
	"cmp"
	"iter"
	"math/bits"
	"slices"
)

// returnedFirst is where the places of messages begin that were returned to a quorum
// queue with a delivery limit: in front of all that were never delivered.
const returnedFirst = -1 << 62

// lane holds the ready messages of one priority in order. Those that were never
// out are a list, which only ever grows at its end; those that came back are a heap
// beside it, and the first of the lane is the lesser of the two heads.
type lane struct {
	first, last *Entry
	returned    []*Entry
}

func (l *lane) empty() bool { return l.first == nil && len(l.returned) == 0 }

// append adds a new message, whose place is behind all others.
func (l *lane) append(e *Entry) {
	if l.last == nil {
		l.first = e
	} else {
		l.last.next = e
	}
	l.last = e
}

// head is the first message, nil if there is none.
func (l *lane) head() *Entry {
	if len(l.returned) > 0 && (l.first == nil || l.returned[0].place < l.first.place) {
		return l.returned[0]
	}
	return l.first
}

// pop removes the first message of a lane that is not empty.
func (l *lane) pop() *Entry {
	e := l.head()
	if e != l.first {
		l.popReturned()
		return e
	}
	if l.first = e.next; l.first == nil {
		l.last = nil
	}
	e.next = nil
	return e
}

// restore puts a message back by its place.
func (l *lane) restore(e *Entry) {
	h := append(l.returned, e)
	i := len(h) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if h[parent].place <= e.place {
			break
		}
		h[i] = h[parent]
		i = parent
	}
	h[i] = e
	l.returned = h
}

func (l *lane) popReturned() {
	h := l.returned
	n := len(h) - 1
	e := h[n]
	h[n] = nil
	h = h[:n]
	i := 0
	for {
		child := 2*i + 1
		if child >= n {
			break
		}
		if child+1 < n && h[child+1].place < h[child].place {
			child++
		}
		if e.place <= h[child].place {
			break
		}
		h[i] = h[child]
		i = child
	}
	if n > 0 {
		h[i] = e
	}
	l.returned = h
	if n == 0 && cap(h) > poolLimit {
		l.returned = nil
	}
}

// laneSet marks which lanes have messages.
type laneSet [4]uint64

func (s *laneSet) add(p uint8)    { s[p>>6] |= 1 << (p & 63) }
func (s *laneSet) remove(p uint8) { s[p>>6] &^= 1 << (p & 63) }

// highest is the lane of the highest priority with messages, of which there must be
// one.
func (s *laneSet) highest() uint8 {
	i := len(s) - 1
	for s[i] == 0 {
		i--
	}
	return uint8(i<<6 + bits.Len64(s[i]) - 1)
}

// all are the messages in order.
func (l *lane) all() iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		back := slices.SortedFunc(slices.Values(l.returned), func(a, b *Entry) int { return cmp.Compare(a.place, b.place) })
		for e := l.first; e != nil || len(back) > 0; {
			next := e
			if len(back) > 0 && (e == nil || back[0].place < e.place) {
				next, back = back[0], back[1:]
			} else {
				e = e.next
			}
			if !yield(next) {
				return
			}
		}
	}
}
