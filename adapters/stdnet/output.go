package stdnet

import (
	"sync"

	"github.com/haypile/haypile/adapters"
)

// output is what the handler wrote and the kernel has not taken: one buffer is
// filled while the other is being written. It is guarded by transport.mu.
type output struct {
	filling  *[]byte // nil when empty
	buffered int     // with what is being written
	flushing bool    // a goroutine is writing
	dropped  bool    // nothing is sent any more
}

// buffers are shared by all transports, so that an idle one holds none.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

const (
	// writeSize bounds a system call, so that Buffered follows what has left.
	writeSize = 64 << 10
	// keepSize bounds the buffers that are kept for reuse.
	keepSize = 1 << 20
)

func release(b *[]byte) {
	if cap(*b) > keepSize {
		return
	}
	*b = (*b)[:0]
	buffers.Put(b)
}

// Write implements adapters.Transport.
func (t *transport) Write(segs [][]byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.phase != phaseOpen {
		return
	}
	o := &t.out
	for _, s := range segs {
		if len(s) == 0 {
			continue
		}
		if o.filling == nil {
			o.filling = buffers.Get().(*[]byte)
		}
		*o.filling = append(*o.filling, s...)
		o.buffered += len(s)
	}
}

// Buffered implements adapters.Transport.
func (t *transport) Buffered() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.out.buffered
}

// drop forgets what has not been sent.
func (o *output) drop() {
	o.filling, o.buffered, o.dropped = nil, 0, true
}

// startFlush tells, once, that flush must be called.
func (t *transport) startFlush() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := &t.out
	if o.filling == nil || o.flushing || o.dropped {
		return false
	}
	o.flushing = true
	return true
}

// flush writes until nothing is left. Only one goroutine is in it at a time,
// and it may block for as long as the peer does not read.
func (t *transport) flush() {
	for {
		b := t.nextBuffer()
		if b == nil {
			return
		}
		for p := *b; len(p) > 0; {
			n, err := t.conn.Write(p[:min(len(p), writeSize)])
			if err != nil {
				t.failed(err)
				break
			}
			p = p[n:]
			t.sent(n)
		}
		release(b)
	}
}

// nextBuffer takes what was written since the last one, nil for nothing.
func (t *transport) nextBuffer() *[]byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.out.filling
	t.out.filling = nil
	if b == nil {
		t.out.flushing = false
		if t.phase == phaseClosing {
			t.shut()
		}
	}
	return b
}

// sent counts what the kernel took and wakes the handler at the low-water mark.
func (t *transport) sent(n int) {
	t.mu.Lock()
	before := t.out.buffered
	t.out.buffered = max(0, before-n)
	low := before > adapters.LowWater && t.out.buffered <= adapters.LowWater
	t.mu.Unlock()
	if low {
		t.Wake()
	}
}
