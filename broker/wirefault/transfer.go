package wirefault

import (
	"runtime/debug"
	"time"

	"github.com/haypile/haypile/adapters"
)

// deliver gives the handler what has come and may pass. last is for bytes before
// the end, which come although reading is off.
func (c splice) deliver(now time.Time, last bool) {
	for {
		c.mu.Lock()
		in := &c.ways[In]
		var p []byte
		if !c.dead && !c.closing && (!c.deaf || last) {
			p = in.next()
		}
		c.mu.Unlock()
		if p == nil {
			return
		}
		c.h.OnData(p, now)
	}
}

// lastWords delivers what had come before the end. A panic is what OnClose tells
// then: the transport cannot do it any more.
func (c splice) lastWords(now time.Time) (panicked error) {
	defer func() {
		if v := recover(); v != nil {
			panicked = &adapters.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	c.deliver(now, true)
	return nil
}

// pump sends what waits and may pass: all of it, or, when it is split, a piece at a
// time, behind one that has left.
func (c splice) pump(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := &c.ways[Out]
	if c.dead {
		return
	}
	for split := out.piece > 0; len(out.held) > 0 && !out.stalled; {
		if split && c.inner.Buffered() > 0 {
			c.poll(now)
			return
		}
		c.pause = pollFirst
		c.inner.Write([][]byte{out.next()})
		if split && len(out.held) > 0 {
			c.inner.Wake()
			return
		}
	}
	if len(out.held) == 0 && !c.leaving && (out.ended || c.closing) {
		c.leaving = true
		if out.ended {
			c.cause = c.reset()
		}
		c.inner.Close()
	}
}

// settle follows every call: it has the loop read or not, and wakes the handler
// that Buffered has fallen for.
func (c splice) settle(now time.Time) {
	c.pump(now)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead {
		return
	}
	in, out := &c.ways[In], &c.ways[Out]
	if in.ended && len(in.held) == 0 {
		c.stop(c.reset())
		return
	}
	if on := c.closing || !c.deaf && !in.stalled && len(in.held) == 0; on != c.reading {
		c.reading = on
		c.inner.SetReading(on)
	}
	if !c.deaf && !in.stalled && len(in.held) > 0 && !c.closing {
		c.inner.Wake() // reading was turned on again in this call
	}
	switch n := len(out.held); {
	case c.buffered() > adapters.LowWater:
		c.crowded = true
		if n > 0 && n <= adapters.LowWater && out.stalled { // only what inner has can make it fall
			c.poll(now)
		}
	case c.crowded:
		c.inner.Wake()
	}
}

// The pauses between looks at whether what was sent has left, while that decides
// when more may follow. They grow.
const (
	pollFirst = 100 * time.Microsecond
	pollLast  = 20 * time.Millisecond
)

// poll has OnWake called soon.
func (c splice) poll(now time.Time) {
	if c.pollAt.IsZero() {
		c.pollAt = now.Add(c.pause)
		c.pause = min(2*max(c.pause, pollFirst), pollLast)
		c.arm()
	}
}

// arm sets the wakeup to whatever comes first.
func (c splice) arm() {
	at := c.wakeAt
	if !c.pollAt.IsZero() && (at.IsZero() || c.pollAt.Before(at)) {
		at = c.pollAt
	}
	c.inner.SetWakeup(at)
}

// buffered is Buffered, under mu.
func (c splice) buffered() int { return len(c.ways[Out].held) + c.inner.Buffered() }

// Write implements adapters.Transport.
func (c splice) Write(segs [][]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := &c.ways[Out]
	switch {
	case c.dead || c.closing || c.leaving:
	case out.plain():
		c.inner.Write(segs)
		c.crowded = c.crowded || c.inner.Buffered() > adapters.LowWater
	default:
		for _, s := range segs {
			out.add(s)
		}
	}
}

// Buffered implements adapters.Transport.
func (c splice) Buffered() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.buffered()
	c.crowded = c.crowded || n > adapters.LowWater
	return n
}

// SetReading implements adapters.Transport. settle does it.
func (c splice) SetReading(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deaf = !on
}

// SetWakeup implements adapters.Transport.
func (c splice) SetWakeup(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wakeAt = at; !at.IsZero() {
		wait := time.Until(at)          // first: what passes until Now makes it late, not early
		c.wakeAt = time.Now().Add(wait) // monotonic, which at need not be
	}
	c.arm()
}

// Wake implements adapters.Transport.
func (c splice) Wake() {
	c.woken.Store(true)
	c.inner.Wake()
}

// Close implements adapters.Transport. settle does it, once everything has left.
func (c splice) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closing = true
	c.ways[In].held = nil
}

// Abort implements adapters.Transport.
func (c splice) Abort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stop(nil)
}
