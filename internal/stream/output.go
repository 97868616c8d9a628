package stream

import (
	"sync"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/internal/descriptor"
)

// buffers hold output, and are shared by all transports, so that an idle one
// has none.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// keepOutput bounds the buffers that are kept.
const keepOutput = 1 << 20

// Write implements adapters.Transport. What is written during a handler call is
// sent when that returns, as one, but for much of it, which is sent at once.
func (t *Transport) Write(segs [][]byte) {
	if t.phase != phaseOpen {
		return
	}
	n := 0
	if descriptor.Pays(t.Buffered(), segs) {
		n = t.writeDirectly(segs)
	}
	for _, s := range segs {
		sent := min(n, len(s))
		n -= sent
		t.keep(s[sent:])
	}
}

// writeDirectly writes what the kernel takes at once of the little that waits and of
// the segments, and tells how much of these it was.
func (t *Transport) writeDirectly(segs [][]byte) int {
	var little []byte
	if t.out != nil {
		little = (*t.out)[t.off:]
	}
	v := descriptor.VectorOf(little, segs, adapters.HighWater)
	defer v.Free()
	n, err := writeVector(t.fd, v)
	if err == errWouldBlock {
		return 0
	}
	if err != nil {
		t.broken(err)
		return 0
	}
	if n < len(little) {
		t.off += n
		return 0
	}
	t.drop()
	return n - len(little)
}

// keep copies what the kernel has not taken.
func (t *Transport) keep(p []byte) {
	if len(p) == 0 || t.phase != phaseOpen {
		return
	}
	if t.out == nil {
		t.out = buffers.Get().(*[]byte)
	}
	out := *t.out
	if t.off > len(out)/2 {
		n := copy(out, out[t.off:])
		out, t.off = out[:n], 0
	}
	*t.out = append(out, p...)
}

// Buffered implements adapters.Transport.
func (t *Transport) Buffered() int {
	if t.out == nil {
		return 0
	}
	return len(*t.out) - t.off
}

// flush hands output to the kernel until it takes no more, but not for ever: a
// peer that reads as fast as we write must not keep the others waiting.
func (t *Transport) flush() {
	before := t.Buffered()
	for budget := adapters.HighWater; budget > 0 && t.Buffered() > 0; {
		rest := (*t.out)[t.off:]
		n, err := writeSocket(t.fd, rest[:min(len(rest), budget)])
		if err == errWouldBlock {
			break
		}
		if err != nil {
			t.broken(err)
			return
		}
		t.off += n
		budget -= n
	}
	if t.Buffered() == 0 {
		t.drop()
	}
	if before > adapters.LowWater && t.Buffered() <= adapters.LowWater {
		t.Wake()
	}
}

// drop forgets what was not sent.
func (t *Transport) drop() {
	if t.out != nil && cap(*t.out) <= keepOutput {
		*t.out = (*t.out)[:0]
		buffers.Put(t.out)
	}
	t.out, t.off = nil, 0
}

// broken is told that writing does not work any more. What the peer said before
// is still delivered.
func (t *Transport) broken(err error) {
	t.cause = t.failure("write", err)
	t.drop()
	t.linger()
}
