package memnet

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	window = 256 << 10 // how many bytes each direction of a connection holds
	keep   = 4 << 10   // the largest buffer that an idle direction keeps
)

// Conn is one end of a connection. It is a net.Conn that buffers: Write waits only
// while the peer leaves a window of bytes unread.
type Conn struct {
	in, out     *half
	local, peer Addr
}

// Pipe is both ends of a connection.
func Pipe(a, b Addr) (ofA, ofB *Conn) {
	ab, ba := newHalf(), newHalf()
	return &Conn{in: ba, out: ab, local: a, peer: b}, &Conn{in: ab, out: ba, local: b, peer: a}
}

// half is one direction.
type half struct {
	mu      sync.Mutex
	changed sync.Cond // on mu
	buf     []byte    // from head on, not read
	head    int
	ended   bool // the writer has said all
	deaf    bool // the reader has closed
	read    deadline
	write   deadline
}

func newHalf() *half {
	h := &half{}
	h.changed.L = &h.mu
	return h
}

// deadline is of one side of a half.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func (d *deadline) set(h *half, at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
	d.at, d.timer = at, nil
	if !at.IsZero() {
		d.timer = time.AfterFunc(time.Until(at), func() {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.changed.Broadcast()
		})
	}
	h.changed.Broadcast()
}

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
	}
}

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	h := c.in
	h.mu.Lock()
	defer h.mu.Unlock()
	for ; ; h.changed.Wait() {
		switch {
		case h.deaf:
			return 0, c.failure("read", net.ErrClosed)
		case h.read.passed():
			return 0, c.failure("read", os.ErrDeadlineExceeded)
		case len(p) == 0:
			return 0, nil
		case h.held() > 0:
			return h.take(p), nil
		case h.ended:
			return 0, io.EOF
		}
	}
}

// take is a read, under mu.
func (h *half) take(p []byte) int {
	n := copy(p, h.buf[h.head:])
	h.head += n
	if h.held() == 0 {
		h.buf, h.head = h.buf[:0], 0
		if cap(h.buf) > keep {
			h.buf = nil
		}
	}
	h.changed.Broadcast()
	return n
}

// put adds bytes, for which there is room. What has been read makes place for them.
func (h *half) put(p []byte) {
	if h.head > 0 && len(h.buf)+len(p) > cap(h.buf) {
		h.buf = h.buf[:copy(h.buf, h.buf[h.head:])]
		h.head = 0
	}
	h.buf = append(h.buf, p...)
}

func (h *half) held() int { return len(h.buf) - h.head }

// Write implements net.Conn.
func (c *Conn) Write(p []byte) (n int, err error) {
	h := c.out
	h.mu.Lock()
	defer h.mu.Unlock()
	for ; ; h.changed.Wait() {
		switch {
		case h.ended:
			return n, c.failure("write", net.ErrClosed)
		case h.deaf:
			return n, c.failure("write", syscall.EPIPE)
		case h.write.passed():
			return n, c.failure("write", os.ErrDeadlineExceeded)
		}
		room := min(window-h.held(), len(p)-n)
		if room > 0 {
			h.put(p[n : n+room])
			h.changed.Broadcast()
		}
		if n += room; n == len(p) {
			return n, nil
		}
	}
}

// Close implements net.Conn. The peer reads what was written, and then the end.
func (c *Conn) Close() error {
	c.in.mu.Lock()
	closed := c.in.deaf
	c.in.deaf, c.in.buf, c.in.head = true, nil, 0
	c.in.read.stop()
	c.in.changed.Broadcast()
	c.in.mu.Unlock()
	if closed {
		return c.failure("close", net.ErrClosed)
	}
	return c.CloseWrite()
}

// CloseWrite ends what this end sends.
func (c *Conn) CloseWrite() error {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	c.out.ended = true
	c.out.write.stop()
	c.out.changed.Broadcast()
	return nil
}

// LocalAddr implements net.Conn.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr implements net.Conn.
func (c *Conn) RemoteAddr() net.Addr { return c.peer }

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error {
	c.in.read.set(c.in, t)
	c.out.write.set(c.out, t)
	return nil
}

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.in.read.set(c.in, t)
	return nil
}

// SetWriteDeadline implements net.Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.out.write.set(c.out, t)
	return nil
}

func (c *Conn) failure(op string, err error) error {
	return &net.OpError{Op: op, Net: c.local.Network(), Source: c.local, Addr: c.peer, Err: err}
}
