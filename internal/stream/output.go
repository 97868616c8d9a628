package stream

import "github.com/haypile/haypile/adapters"

// Write implements adapters.Transport. What is written during a handler call is
// sent when that returns, as one.
func (t *Transport) Write(segs [][]byte) {
	if t.phase != phaseOpen {
		return
	}
	if t.off > len(t.out)/2 {
		n := copy(t.out, t.out[t.off:])
		t.out, t.off = t.out[:n], 0
	}
	for _, s := range segs {
		t.out = append(t.out, s...)
	}
}

// Buffered implements adapters.Transport.
func (t *Transport) Buffered() int { return len(t.out) - t.off }

// flush hands output to the kernel until it takes no more, but not for ever: a
// peer that reads as fast as we write must not keep the others waiting.
func (t *Transport) flush() {
	before := t.Buffered()
	for budget := adapters.HighWater; budget > 0 && t.Buffered() > 0; {
		n, err := writeSocket(t.fd, t.out[t.off:min(len(t.out), t.off+budget)])
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
		t.release()
	}
	if before > adapters.LowWater && t.Buffered() <= adapters.LowWater {
		t.Wake()
	}
}

// release empties the buffer, and gives a large one back.
func (t *Transport) release() {
	if cap(t.out) > keepOutput {
		t.out = nil
	}
	t.out, t.off = t.out[:0], 0
}

// broken is told that writing does not work any more. What the peer said before
// is still delivered.
func (t *Transport) broken(err error) {
	t.cause = t.failure("write", err)
	t.out, t.off = nil, 0
	t.linger()
}
