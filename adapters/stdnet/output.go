package stdnet

import (
	"math"
	"sync"
	"time"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/internal/descriptor"
)

// output is what the handler wrote and the kernel has not taken: one buffer is
// filled while the other is being written. It is guarded by transport.mu.
type output struct {
	filling  *[]byte // nil when empty
	writing  *[]byte // lent to the goroutine that flushes; nil when rest is empty
	rest     []byte  // of writing
	buffered int     // in both
	flushing bool    // a goroutine is writing, or about to
	dropped  bool    // nothing is sent any more
}

// buffers are shared by all transports, so that an idle one holds none.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

const (
	// writeSize bounds a system call, so that others have their turn.
	writeSize = 256 << 10
	// soonCalls bounds the system calls of a goroutine that has other things to do.
	soonCalls = 4
	// keepSize bounds the buffers that are kept for reuse.
	keepSize = 1 << 20
)

func release(b *[]byte) {
	if b == nil || cap(*b) > keepSize {
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
	n := 0
	if descriptor.Pays(t.out.buffered, segs) {
		n = t.writeDirectly(segs)
	}
	for _, s := range segs {
		sent := min(n, len(s))
		n -= sent
		t.out.add(s[sent:])
	}
}

// add queues a copy.
func (o *output) add(p []byte) {
	if len(p) == 0 || o.dropped {
		return
	}
	if o.filling == nil {
		o.filling = buffers.Get().(*[]byte)
	}
	*o.filling = append(*o.filling, p...)
	o.buffered += len(p)
}

// writeDirectly writes what the kernel takes at once of the little that is queued and
// of the segments, and tells how much of these it was: nothing where somebody is
// writing. It is called under mu and gives that up while it writes.
func (t *transport) writeDirectly(segs [][]byte) int {
	o := &t.out
	if o.flushing || o.dropped || len(o.rest) > 0 {
		return 0
	}
	o.flushing = true
	little := o.take()
	v := descriptor.VectorOf(little, segs, writeSize)
	defer v.Free()
	t.mu.Unlock()
	n, err := t.socket.tryVector(v)
	if little != nil {
		t.sent(min(n, len(little)))
	}
	if err != nil && err != errWouldBlock {
		t.failed(err)
	}
	t.mu.Lock()
	o.flushing = false
	return max(n-len(little), 0)
}

// Buffered implements adapters.Transport.
func (t *transport) Buffered() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.out.buffered
}

// drop forgets what has not been sent. What is lent stays with the borrower.
func (o *output) drop() {
	o.filling, o.rest, o.buffered, o.dropped = nil, nil, 0, true
}

// startFlush follows a call of the handler. It tells, once, that flush must be
// called: there is output, or the end of it to be told to the peer.
func (t *transport) startFlush() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wind()
	o := &t.out
	if o.flushing || o.dropped || o.buffered == 0 && t.phase != phaseClosing {
		return false
	}
	o.flushing = true
	return true
}

// flush writes until nothing is left. One goroutine at a time is in it, and it
// holds no lock while it writes, which may take for as long as the peer does
// not read. False: write would block or has been called often enough, and flush
// must be called again.
func (t *transport) flush(write func(p []byte) (int, error), calls int) bool {
	for range calls {
		p, over := t.piece()
		if over {
			t.closeWrite()
		}
		if p == nil {
			return true
		}
		n, err := write(p)
		t.sent(n)
		if err == errWouldBlock {
			return false
		}
		if err != nil {
			t.failed(err)
		}
	}
	return false
}

// flushSoon is flush by those who must not wait for the peer, nor stop reading or
// calling OnWake for as long as other goroutines find something to write.
func (t *transport) flushSoon() bool { return t.flush(t.socket.tryWrite, soonCalls) }

// flushRest is flush by a goroutine that has the time.
func (t *transport) flushRest() { t.flush(t.socket.write, math.MaxInt) }

// piece is what to write next, and nil when there is nothing; over tells, once,
// that there will be nothing ever.
func (t *transport) piece() (p []byte, over bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := &t.out
	if p = o.take(); p == nil {
		o.flushing = false
		over = t.phase == phaseClosing && t.enter(phaseLingering)
	}
	return p, over
}

// take lends what is to be written next, to one goroutine at a time.
func (o *output) take() []byte {
	if o.writing == nil {
		if o.filling == nil {
			return nil
		}
		o.writing, o.filling = o.filling, nil
		o.rest = *o.writing
	}
	return o.rest[:min(len(o.rest), writeSize)]
}

// sent takes back what was lent, of which the kernel took n bytes, and wakes the
// handler at the low-water mark.
func (t *transport) sent(n int) {
	t.mu.Lock()
	o := &t.out
	before := o.buffered
	if !o.dropped {
		o.rest = o.rest[n:]
		o.buffered -= n
	}
	if len(o.rest) == 0 {
		release(o.writing)
		o.writing = nil
	}
	low := before > adapters.LowWater && o.buffered <= adapters.LowWater
	t.mu.Unlock()
	if low {
		t.Wake()
	}
}

// closeWrite tells the peer that nothing more comes, and leaves it a little
// time to end its side.
func (t *transport) closeWrite() {
	half, ok := t.conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		t.conn.Close()
		return
	}
	t.conn.SetReadDeadline(time.Now().Add(lingering))
}
