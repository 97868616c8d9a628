package driver

import (
	"errors"
	"io"
	"net"
	"sync"

	"github.com/haypile/haypile/adapters"
)

// bridge stands between a loop and a connection that has no descriptor of its own,
// such as one through a tunnel: the loop gets one end of a pair of sockets, and two
// goroutines move bytes between the other end and the connection.
type bridge struct {
	conn net.Conn // the real one
	far  net.Conn // of the pair, our end

	mu    sync.Mutex
	cause error // why conn ended, if not in good order
}

// attach brings the session to the loop, by a bridge if that is needed. It owns
// conn in every case.
func (s *session) attach(l adapters.Loop, conn net.Conn) error {
	if l, ok := l.(adapters.Selective); ok && !l.Takes(conn) {
		near, far, err := socketPair()
		if err != nil {
			conn.Close()
			return err
		}
		s.bridge = &bridge{conn: conn, far: far}
		go s.bridge.in()
		go s.bridge.out()
		conn = near
	}
	return l.Attach(conn, s) // which closes what it does not take, and the bridge ends with its loop's side
}

// in moves what the peer sends, until the connection ends or the loop lets go.
func (b *bridge) in() {
	_, err := io.Copy(b.far, connReader{b})
	if err != nil { // the loop has let go
		b.conn.Close()
	}
	b.endWriting(b.far)
}

// out moves what the loop sends, until the loop lets go or the connection ends.
func (b *bridge) out() {
	_, err := io.Copy(b.conn, b.far)
	if err == nil && b.endWriting(b.conn) {
		// The loop has said all; the peer may still be reading, and ends its side.
		io.Copy(io.Discard, b.far)
	}
	b.conn.Close()
	b.far.Close()
}

// endWriting tells one side that nothing more comes; false when that is not to be
// had but by closing.
func (b *bridge) endWriting(c net.Conn) bool {
	half, ok := c.(interface{ CloseWrite() error })
	if ok && half.CloseWrite() == nil {
		return true
	}
	c.Close()
	return false
}

// connReader notes why the real connection ended.
type connReader struct{ b *bridge }

func (r connReader) Read(p []byte) (int, error) {
	n, err := r.b.conn.Read(p)
	if err != nil && err != io.EOF && !errors.Is(err, net.ErrClosed) {
		r.b.mu.Lock()
		r.b.cause = err
		r.b.mu.Unlock()
		err = io.EOF
	}
	return n, err
}

// why is the error of a transport that ended with err: the loop sees only the end
// of the pair.
func (b *bridge) why(err error) error {
	if b == nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cause != nil {
		return b.cause
	}
	return err
}

// addresses are what both a transport and a connection have.
type addresses interface {
	LocalAddr() net.Addr
	RemoteAddr() net.Addr
}

// ends has the addresses of the real connection.
func (s *session) ends() addresses {
	if s.bridge != nil {
		return s.bridge.conn
	}
	return s.transport
}
