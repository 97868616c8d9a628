package wirefault

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/haypile/haypile/adapters"
)

// Conn is a connection with faults. Its methods may be called from any goroutine,
// handler calls included; after the end of the connection they do nothing.
type Conn struct {
	loop   *Loop
	h      adapters.Handler
	inner  adapters.Transport // from OnOpen on
	number int
	woken  atomic.Bool // the handler's Wake

	mu      sync.Mutex // everything below; never held during a call of h
	ways    [2]way
	deaf    bool // the handler's SetReading(false)
	reading bool // what inner was told
	closing bool // the handler's Close
	leaving bool // inner was told to close
	dead    bool // aborted, cut or ended: nothing passes any more
	cause   error
	crowded bool          // Buffered was above adapters.LowWater, and the handler has not been woken since
	wakeAt  time.Time     // the handler's wakeup
	pollAt  time.Time     // ours
	pause   time.Duration // before the next one
}

// Number counts the connections of the loop from 1, in the order in which they
// opened.
func (c *Conn) Number() int { return c.number }

// LocalAddr is the address of the side that runs on the loop.
func (c *Conn) LocalAddr() net.Addr { return c.inner.LocalAddr() }

// RemoteAddr is the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return c.inner.RemoteAddr() }

// splice stands between the loop's transport, whose handler it is, and the handler
// that was attached, whose transport it is.
type splice struct{ *Conn }

// OnOpen implements adapters.Handler.
func (c splice) OnOpen(t adapters.Transport, now time.Time) {
	c.mu.Lock()
	c.inner, c.reading = t, true
	c.mu.Unlock()
	c.loop.opened(c.Conn)
	c.h.OnOpen(c, now)
	c.settle(now)
}

// OnData implements adapters.Handler.
func (c splice) OnData(p []byte, now time.Time) {
	c.mu.Lock()
	in, open := &c.ways[In], !c.dead && !c.closing
	plain := open && in.plain()
	if open && !plain {
		in.add(p)
	}
	c.mu.Unlock()
	if plain {
		c.h.OnData(p, now)
	} else {
		c.deliver(now, false)
	}
	c.settle(now)
}

// OnWake implements adapters.Handler. The handler hears of it unless it was for us
// alone.
func (c splice) OnWake(now time.Time) {
	c.mu.Lock()
	if !c.pollAt.IsZero() && !now.Before(c.pollAt) {
		c.pollAt = time.Time{}
		c.arm()
	}
	c.mu.Unlock()
	c.deliver(now, false)
	c.pump(now) // before the handler hears that Buffered has fallen
	if c.wanted(now) {
		c.h.OnWake(now)
	}
	c.settle(now)
}

// wanted tells whether there is something that the handler waits for.
func (c splice) wanted(now time.Time) bool {
	asked := c.woken.Swap(false)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.crowded && c.buffered() <= adapters.LowWater {
		c.crowded, asked = false, true
	}
	if !c.wakeAt.IsZero() && !now.Before(c.wakeAt) {
		c.wakeAt, asked = time.Time{}, true
	}
	if !asked && !(c.wakeAt.IsZero() && c.pollAt.IsZero()) {
		c.arm() // whatever this call was for, the timer is to come
	}
	return asked
}

// OnClose implements adapters.Handler. What had arrived before the peer's end is
// delivered, unless it was stalled.
func (c splice) OnClose(err error, now time.Time) {
	defer c.loop.closed(c.Conn)
	if panicked := (*adapters.PanicError)(nil); !errors.As(err, &panicked) {
		if p := c.lastWords(now); p != nil {
			err = p
		}
	}
	c.mu.Lock()
	c.dead = true
	if c.cause != nil {
		err = c.cause
	}
	c.ways = [2]way{}
	c.mu.Unlock()
	c.h.OnClose(err, now)
}

// stop ends the connection now, under mu. A nil cause is a clean end.
func (c *Conn) stop(cause error) {
	if c.dead {
		return
	}
	c.dead, c.cause = true, cause
	c.ways = [2]way{}
	c.inner.Abort()
}

// reset is what the handler is told of a connection that was cut.
func (c *Conn) reset() error {
	return &net.OpError{Op: "read", Net: c.inner.RemoteAddr().Network(), Source: c.inner.LocalAddr(),
		Addr: c.inner.RemoteAddr(), Err: syscall.ECONNRESET}
}
