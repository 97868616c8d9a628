package blocking

import "sync"

// largeBody is from what size on a body is lent to core in memory of its own, to go
// to the transport without another copy. Such bodies also wait while maxOutput bytes
// wait to be sent: a few that are on their way keep the connection busy, many would
// only be moved out of the processor's cache and into it again.
const (
	largeBody = 16 << 10
	maxOutput = 256 << 10
)

// lending is the memory of a large body on its way.
type lending struct {
	bytes []byte
	back  func(error) // takes it back from core; made once
}

// lendings are shared by all connections, so that an idle one has none.
var lendings sync.Pool

func newLending() *lending {
	if l, ok := lendings.Get().(*lending); ok {
		return l
	}
	l := new(lending)
	l.back = func(error) { l.free() }
	return l
}

// lend copies a body into memory that can be lent.
func lend(body []byte) *lending {
	l := newLending()
	if cap(l.bytes) < len(body) {
		l.bytes = make([]byte, 0, len(body))
	}
	l.bytes = append(l.bytes[:0], body...)
	return l
}

// free has the memory used again. nil is a body that is not lent.
func (l *lending) free() {
	if l == nil {
		return
	}
	if scribble {
		clear(l.bytes)
	}
	lendings.Put(l)
}
