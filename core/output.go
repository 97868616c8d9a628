package core

// output is the connection's single outgoing queue, one contiguous buffer:
// wire order is call order because everything is appended here.
type output struct {
	buf []byte
	off int // buf[:off] has been sent
}

const outputKeep = 64 << 10 // a buffer up to this is kept however little of it is used

func (o *output) len() int { return len(o.buf) - o.off }

func (o *output) pending() []byte { return o.buf[o.off:] }

func (o *output) append(s string) { o.buf = append(o.room(), s...) }

// room returns the buffer to append to, after moving the unsent tail to the
// front when that frees more than it copies.
func (o *output) room() []byte {
	if o.off > len(o.buf)/2 {
		n := copy(o.buf, o.buf[o.off:])
		o.buf, o.off = o.buf[:n], 0
	}
	return o.buf
}

func (o *output) advance(n int) {
	o.off += min(n, o.len())
	if o.off < len(o.buf) {
		return
	}
	if scribble {
		overwrite(o.buf)
	}
	if cap(o.buf) > outputKeep && len(o.buf) < cap(o.buf)/4 {
		o.buf = nil // most of it was of no use this time
	}
	o.buf, o.off = o.buf[:0], 0
}

// shrink gives the buffer back. The connection is idle.
func (o *output) shrink() {
	if o.len() == 0 {
		*o = output{}
	}
}

func (o *output) discard() { *o = output{} }
