package core

import "time"

// The buffers that bodies are joined in which do not come in one piece.
const (
	contentKeep = 64 << 10 // one up to this is kept however little of it is used
	spareMost   = 4 << 20  // one up to this is kept for what may come within spareKeep
	spareKeep   = time.Second

	// One is made for up to aheadTimes the bytes that have come, as long as those of
	// all channels together are no more than aheadMost ahead.
	aheadTimes = 16
	aheadMost  = 16 << 20
)

// join adds a piece to the body of a message.
func (d *decoding) join(m *content, p []byte) {
	if m.body == nil {
		m.body, d.spare = d.spare, nil
	}
	if n := len(m.body) + len(p); n > max(cap(m.body), contentKeep) {
		d.enlarge(m, n)
	}
	m.body = append(m.body, p...)
}

// enlarge makes the buffer of a body for n bytes, and for more of those that the
// header announced the more have come: a large body is copied little, and what only
// is announced costs little. Where it does nothing, the buffer grows as any slice.
func (d *decoding) enlarge(m *content, n int) {
	left := int(min(m.size-uint64(n), aheadMost))
	others := d.ahead - m.ahead
	more := min(left, (aheadTimes-1)*min(n, aheadMost), aheadMost-others)
	if more < min(left, n/4) {
		return
	}
	d.ahead, m.ahead = others+more, more
	small := m.body
	m.body = append(make([]byte, 0, n+more), small...)
	if cap(small) <= contentKeep {
		d.reuse(small)
	}
}

// reuse takes back a body's buffer for the next message of any channel.
func (in *input) reuse(body []byte) {
	if cap(body) > 0 {
		in.decoding().reuse(body)
	}
}

func (d *decoding) reuse(body []byte) {
	if scribble {
		overwrite(body)
	}
	if cap(body) <= contentKeep || len(body) >= cap(body)/4 {
		d.spare, d.spareUntil = body[:0], never
	}
}

// settle is told that a call of Feed ends. A large buffer is kept for a while: where
// large messages follow one another, making it anew for each would cost more than
// filling it.
func (c *Conn) settle() {
	d := c.in.dec
	switch {
	case d == nil || cap(d.spare) <= contentKeep:
	case cap(d.spare) > spareMost || !c.reading():
		d.spare = nil
	case d.spareUntil == never:
		d.spareUntil = c.now.after(spareKeep)
	}
}

// spareUntil is how long a large buffer is kept.
func (in *input) spareUntil() moment {
	if in.dec == nil || cap(in.dec.spare) <= contentKeep {
		return never
	}
	return in.dec.spareUntil
}

// take gives away the memory of a body that is being handed over, nil unless it is
// a buffer that would be large for the one and is not too large for the other.
func (m *content) take(body []byte) []byte {
	n := len(m.lent)
	if n <= contentKeep || n < cap(m.lent)/4*3 || n != len(body) || &m.lent[0] != &body[0] {
		return nil
	}
	m.lent = nil
	return body[:n:n]
}
