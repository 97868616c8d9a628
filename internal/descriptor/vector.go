package descriptor

import "sync"

// most is how many pieces a Vector has: enough for 256 KiB in the smallest frames, each
// with a header.
const most = 130

// Vector is what one system call is to write.
type Vector struct {
	pieces [most][]byte
	n      int
	size   int
}

var vectors = sync.Pool{New: func() any { return new(Vector) }}

// NewVector is an empty Vector, to be freed.
func NewVector() *Vector { return vectors.Get().(*Vector) }

// VectorOf has all of what waits and, of the pieces, up to limit bytes. It is to be freed.
func VectorOf(waiting []byte, pieces [][]byte, limit int) *Vector {
	v := NewVector()
	if len(waiting) > 0 {
		v.Add(waiting, len(waiting))
	}
	for _, p := range pieces {
		if !v.Add(p, len(waiting)+limit) {
			break
		}
	}
	return v
}

// Free gives v back. It refers to nothing any more.
func (v *Vector) Free() {
	clear(v.pieces[:v.n])
	v.n, v.size = 0, 0
	vectors.Put(v)
}

// Add appends a piece, or its front where v would have more than limit bytes with all
// of it. False: there is no room for more.
func (v *Vector) Add(p []byte, limit int) bool {
	fits := min(len(p), limit-v.size)
	if fits > 0 && v.n < most {
		v.pieces[v.n] = p[:fits]
		v.n++
		v.size += fits
	}
	return fits == len(p) && v.n < most && v.size < limit
}

// Size is the number of bytes in v.
func (v *Vector) Size() int { return v.size }

// directSize is from how much on output is not copied: a system call costs less.
const directSize = 16 << 10

// Pays tells that pieces are better written by a call of their own, which takes along
// the bytes that wait, than copied to these.
func Pays(waiting int, pieces [][]byte) bool {
	if waiting >= directSize || !gathers && len(pieces) > 1 {
		return false
	}
	n := 0
	for _, p := range pieces {
		n += len(p)
	}
	return n >= directSize
}
