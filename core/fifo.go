package core

// fifo is a queue whose memory follows its length: a ring that doubles when
// full and is dropped when it empties after having been large.
type fifo[T any] struct {
	ring []T // length is a power of two
	head uint32
	n    uint32
}

const fifoKeep = 64 // a ring up to this long survives being emptied

func (f *fifo[T]) len() int { return int(f.n) }

func (f *fifo[T]) push(v T) {
	if f.len() == len(f.ring) {
		f.grow()
	}
	f.ring[(f.head+f.n)&uint32(len(f.ring)-1)] = v
	f.n++
}

func (f *fifo[T]) grow() {
	ring := make([]T, max(2, 2*len(f.ring)))
	for i := range f.len() {
		ring[i] = *f.at(i)
	}
	f.ring, f.head = ring, 0
}

// at is the i-th element from the head; it is valid until the next push or pop.
func (f *fifo[T]) at(i int) *T { return &f.ring[(f.head+uint32(i))&uint32(len(f.ring)-1)] }

// pop removes the head. The queue must not be empty.
func (f *fifo[T]) pop() T {
	var zero T
	p := f.at(0)
	v := *p
	*p = zero
	f.head = (f.head + 1) & uint32(len(f.ring)-1)
	f.n--
	if len(f.ring) > fifoKeep {
		f.rest()
	}
	return v
}

// rest gives the ring back if it is empty.
func (f *fifo[T]) rest() {
	if f.n == 0 {
		*f = fifo[T]{}
	}
}

// remove takes out the i-th element from the head.
func (f *fifo[T]) remove(i int) T {
	v := *f.at(i)
	for ; i > 0; i-- {
		*f.at(i) = *f.at(i - 1)
	}
	f.pop()
	return v
}
