package driver

import (
	"io"
	"net"
	"sync"
	"time"

	"github.com/haypile/haypile/adapters"
)

// bridge stands between a loop and a connection that has no descriptor of its own,
// such as one through a tunnel: the loop gets one end of a pair of sockets, and two
// goroutines move bytes between the other end and the connection.
type bridge struct {
	conn  net.Conn      // the real one
	far   net.Conn      // of the pair, our end
	heard chan struct{} // closed when the peer has nothing more to say

	mu    sync.Mutex
	over  bool  // we closed both
	cause error // why conn failed, before that
}

// bridgeLinger is how long bytes may still move when one side has ended: for the
// peer's end after ours, and to a peer that is slow to read.
const bridgeLinger = time.Second

// attach brings the session to the loop, by a bridge if that is needed. It owns
// conn in every case.
func (s *session) attach(l adapters.Loop, conn net.Conn) error {
	if selective, ok := l.(adapters.Selective); !ok || selective.Takes(conn) {
		return l.Attach(conn, s)
	}
	near, far, err := socketPair()
	if err != nil {
		conn.Close()
		return err
	}
	s.bridge = &bridge{conn: conn, far: far, heard: make(chan struct{})}
	go s.bridge.in()
	go s.bridge.out()
	if err := l.Attach(near, s); err != nil {
		s.bridge.close()
		return err
	}
	return nil
}

// in moves what the peer sends, until the connection ends or the loop lets go.
func (b *bridge) in() {
	defer close(b.heard)
	if _, err := io.Copy(b.far, noting{b, b.conn}); err != nil {
		b.close() // the loop has let go
		return
	}
	endWriting(b.far)
}

// out moves what the loop sends, until the loop lets go or the connection ends.
// Closing at once what the peer still sends to would reset the connection.
func (b *bridge) out() {
	defer b.close()
	if _, err := io.Copy(noting{b, b.conn}, b.far); err != nil || !endWriting(b.conn) {
		return
	}
	linger := time.NewTimer(bridgeLinger)
	defer linger.Stop()
	select {
	case <-b.heard:
	case <-linger.C:
	}
}

// endWriting tells one side that nothing more comes; false when that is not to be
// had but by closing.
func endWriting(c net.Conn) bool {
	half, ok := c.(interface{ CloseWrite() error })
	if ok && half.CloseWrite() == nil {
		return true
	}
	c.Close()
	return false
}

// close ends both sides, and with them the goroutines.
func (b *bridge) close() {
	b.mu.Lock()
	b.over = true
	b.mu.Unlock()
	b.conn.Close()
	b.far.Close()
}

// leave is told that the loop has let go of its end, which ended with err. It
// returns the error of the real connection, since the loop sees only the pair's.
func (b *bridge) leave(err error) error {
	time.AfterFunc(bridgeLinger, b.close)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cause != nil {
		return b.cause
	}
	return err
}

// noting is the real connection, with its errors taken down.
type noting struct {
	b *bridge
	net.Conn
}

func (n noting) Read(p []byte) (int, error) {
	k, err := n.Conn.Read(p)
	if err != nil {
		n.b.note(err)
		err = io.EOF // so that only the other side's errors are io.Copy's
	}
	return k, err
}

func (n noting) Write(p []byte) (int, error) {
	k, err := n.Conn.Write(p)
	n.b.note(err)
	return k, err
}

func (b *bridge) note(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil && err != io.EOF && !b.over && b.cause == nil {
		b.cause = err
	}
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
