package core

import "github.com/haypile/haypile/core/wire"

// output is a queue of bytes to be sent: one contiguous buffer, and between its
// bytes those bodies that are lent instead of copied. Wire order is call order
// because everything goes through the one queue of the connection.
type output struct {
	buf       []byte
	off       int // buf[:off] has been sent
	loans     *loans
	oversized uint8 // how many times in a row most of buf was of no use
}

// loans are the lent bodies, cut into frames, in the order of the wire.
type loans struct {
	refs    fifo[ref]
	size    int           // bytes in refs
	orphans []func(error) // of bodies that will not be sent
	copied  []func(error) // of bodies that are not needed any more
}

// ref is the body of one frame, or the end of a loan of nothing. Its frame's
// header is in front of buf[at], its end octet at buf[at].
type ref struct {
	at      int
	data    []byte
	body    *byte       // where the loan begins; nil when data is ours
	release func(error) // of the loan's last frame, else nil
}

const (
	// outputKeep is up to what size a buffer is kept however little of it is used.
	outputKeep = 64 << 10
	// outputPatience is how many times in a row a larger one is kept though most of it
	// is of no use: where messages come in bursts, it would grow anew for each.
	outputPatience = 32
)

func (o *output) len() int {
	n := len(o.buf) - o.off
	if o.loans != nil {
		n += o.loans.size
	}
	return n
}

// segments appends what is to be sent.
func (o *output) segments(dst [][]byte) [][]byte {
	at := o.off
	if o.loans != nil {
		for i := range o.loans.refs.len() {
			r := o.loans.refs.at(i)
			if r.at > at {
				dst = append(dst, o.buf[at:r.at])
				at = r.at
			}
			if len(r.data) > 0 {
				dst = append(dst, r.data)
			}
		}
	}
	if at < len(o.buf) {
		dst = append(dst, o.buf[at:])
	}
	return dst
}

func (o *output) append(s string) { o.buf = append(o.room(), s...) }

// room returns the buffer to append to, after moving the unsent tail to the
// front when that frees more than it copies.
func (o *output) room() []byte {
	if o.off > len(o.buf)/2 {
		o.compact()
	}
	return o.buf
}

func (o *output) compact() {
	if o.loans != nil {
		for i := range o.loans.refs.len() {
			o.loans.refs.at(i).at -= o.off
		}
	}
	n := copy(o.buf, o.buf[o.off:])
	o.buf, o.off = o.buf[:n], 0
}

// advance takes up to n bytes off the queue, up to the end of a loan, which is
// then to be released. left is how much of n remains.
func (o *output) advance(n int) (left int, release func(error)) {
	if o.loans == nil || o.loans.refs.len() == 0 {
		o.advanceOwn(n)
		return 0, nil
	}
	r := o.loans.refs.at(0)
	if own := r.at - o.off; n < own {
		o.off += n
		return 0, nil
	} else {
		o.off += own
		n -= own
	}
	taken := min(n, len(r.data))
	r.data = r.data[taken:]
	o.loans.size -= taken
	n -= taken
	if len(r.data) == 0 {
		release = o.loans.refs.pop().release
	}
	return n, release
}

func (o *output) advanceOwn(n int) {
	o.off += min(n, len(o.buf)-o.off)
	if o.off < len(o.buf) {
		return
	}
	if scribble {
		overwrite(o.buf)
	}
	switch {
	case cap(o.buf) <= outputKeep || len(o.buf) >= cap(o.buf)/4:
		o.oversized = 0
	case o.oversized < outputPatience:
		o.oversized++
	default:
		o.buf, o.oversized = nil, 0
	}
	o.buf, o.off = o.buf[:0], 0
}

func (o *output) borrowed() *loans {
	if o.loans == nil {
		o.loans = &loans{}
	}
	return o.loans
}

// lend appends body as body frames without copying it.
func (o *output) lend(channel uint16, body []byte, frameMax uint32, release func(error)) {
	l := o.borrowed()
	if len(body) == 0 {
		l.refs.push(ref{at: len(o.buf), release: release})
		return
	}
	l.size += len(body)
	begin := &body[0]
	for room := int(frameMax) - wire.FrameOverhead; len(body) > 0; {
		n := min(room, len(body))
		o.buf = wire.AppendFrameHeader(o.buf, wire.FrameBody, channel, uint32(n))
		r := ref{at: len(o.buf), data: body[:n:n], body: begin}
		o.buf = append(o.buf, wire.FrameEnd)
		if body = body[n:]; len(body) == 0 {
			r.release = release
		}
		l.refs.push(r)
	}
}

// copyLoans replaces a lent body by copies, and returns what its loans are to be
// released by.
func (o *output) copyLoans(body *byte) (releases []func(error)) {
	if o.loans == nil {
		return nil
	}
	for i := range o.loans.refs.len() {
		r := o.loans.refs.at(i)
		if r.body != body {
			continue
		}
		r.data, r.body = append([]byte(nil), r.data...), nil
		if r.release != nil {
			releases = append(releases, r.release)
			r.release = nil
		}
	}
	return releases
}

// reclaim takes the lent bodies out of the queue, frame by frame; the peer is
// not going to look at them. Of a frame that is half sent it keeps a copy, so
// that what is left can be sent.
func (o *output) reclaim() {
	l := o.loans
	if l == nil || l.refs.len() == 0 {
		return
	}
	var buf []byte
	at := o.off
	for l.refs.len() > 0 {
		r := l.refs.pop()
		if r.release != nil {
			l.orphans = append(l.orphans, r.release)
		}
		if len(r.data) == 0 {
			continue
		}
		if header := r.at - wire.FrameHeaderSize; at <= header {
			buf = append(buf, o.buf[at:header]...)
		} else {
			buf = append(append(append(buf, o.buf[at:r.at]...), r.data...), o.buf[r.at])
		}
		at = r.at + 1
	}
	l.size = 0
	o.buf, o.off = append(buf, o.buf[at:]...), 0
}

// rest gives the buffer back if it is empty.
func (o *output) rest() {
	if o.len() == 0 && (o.loans == nil || len(o.loans.orphans)+len(o.loans.copied) == 0) {
		*o = output{}
	}
}

// discard drops everything. Loans are kept in mind, to be released.
func (o *output) discard() {
	o.reclaim()
	o.buf, o.off = nil, 0
}

// orphan is a loan to be released because its body will not be sent, nil if
// there is none.
func (o *output) orphan() (release func(error)) {
	if o.loans == nil || len(o.loans.orphans) == 0 {
		return nil
	}
	release = o.loans.orphans[0]
	o.loans.orphans = o.loans.orphans[1:]
	return release
}
