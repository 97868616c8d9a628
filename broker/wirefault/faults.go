package wirefault

import "slices"

// Direction is one of a connection's two, as seen from the side that runs on the
// loop.
type Direction uint8

const (
	In  Direction = iota // what is received
	Out                  // what is sent
)

// String is "in" or "out".
func (d Direction) String() string {
	if d == In {
		return "in"
	}
	return "out"
}

// way is one direction. All of it is under Conn.mu.
type way struct {
	stalled bool
	piece   int       // the largest one, 0 for any
	cut     int       // bytes that still pass, negative for all
	corrupt []blemish // in the order of their places
	held    []byte    // bytes that wait, as they are to pass
	ended   bool      // held is the last before the cut
}

// blemish is a byte that will be changed.
type blemish struct {
	in   int // bytes that come before it
	mask byte
}

// plain tells that bytes pass as they are.
func (w *way) plain() bool {
	return !w.stalled && w.piece == 0 && w.cut < 0 && len(w.corrupt) == 0 && len(w.held) == 0 && !w.ended
}

// add takes bytes that come, corrupts them and leaves out those behind the cut.
func (w *way) add(p []byte) {
	if w.ended {
		return
	}
	if w.cut >= 0 {
		p = p[:min(len(p), w.cut)]
		w.cut -= len(p)
		w.ended = w.cut == 0
	}
	at := len(w.held)
	w.held = append(w.held, p...)
	left := w.corrupt[:0]
	for _, b := range w.corrupt {
		if b.in < len(p) {
			w.held[at+b.in] ^= b.mask
			continue
		}
		left = append(left, blemish{b.in - len(p), b.mask})
	}
	w.corrupt = left
}

// next takes what may pass as one, nil for nothing.
func (w *way) next() []byte {
	if w.stalled || len(w.held) == 0 {
		return nil
	}
	n := len(w.held)
	if w.piece > 0 {
		n = min(n, w.piece)
	}
	p := w.held[:n:n]
	w.held = w.held[n:]
	if len(w.held) == 0 {
		w.held = nil
	}
	return p
}

// set changes a direction and has the loop act on it.
func (c *Conn) set(d Direction, change func(w *way)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead || d > Out {
		return
	}
	change(&c.ways[d])
	c.inner.Wake()
}

// Stall lets nothing pass until Resume. In, the loop stops reading the socket, and
// the peer can send as much as the system's buffers hold; Out, what is sent is
// kept, and counts as buffered. A clean end that comes while In is stalled takes
// what waits with it.
func (c *Conn) Stall(d Direction) { c.set(d, func(w *way) { w.stalled = true }) }

// Resume ends Stall. What waits passes now.
func (c *Conn) Resume(d Direction) { c.set(d, func(w *way) { w.stalled = false }) }

// Split has bytes pass in pieces of at most n: In, in a call of OnData each; Out,
// in a write each, of which the network may make one again. 0 ends it.
func (c *Conn) Split(d Direction, n int) { c.set(d, func(w *way) { w.piece = max(n, 0) }) }

// CutAfter breaks the connection behind the next n bytes. In, the handler gets them
// and then the error, and the peer finds the connection closed; Out, the peer gets
// them and then the end. The handler is told of a *net.OpError with
// syscall.ECONNRESET. A negative n takes that back.
func (c *Conn) CutAfter(d Direction, n int) {
	c.set(d, func(w *way) {
		if !w.ended {
			w.cut = max(n, -1)
			w.ended = n == 0
		}
	})
}

// Cut breaks the connection now, as CutAfter does. What waits is lost.
func (c *Conn) Cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead {
		return
	}
	c.ways[In] = way{ended: true}
	c.ways[Out] = way{stalled: true}
	c.inner.Wake()
}

// Corrupt changes one byte: the one behind the next n, by exclusive or with mask.
// It may be called for any number of bytes.
func (c *Conn) Corrupt(d Direction, n int, mask byte) {
	if n < 0 {
		return
	}
	c.set(d, func(w *way) {
		w.corrupt = append(w.corrupt, blemish{n, mask})
		slices.SortStableFunc(w.corrupt, func(a, b blemish) int { return a.in - b.in })
	})
}

// Clear ends all faults of both directions. What waits passes now.
func (c *Conn) Clear() {
	for _, d := range []Direction{In, Out} {
		c.set(d, func(w *way) { *w = way{cut: -1, held: w.held, ended: w.ended} })
	}
}
