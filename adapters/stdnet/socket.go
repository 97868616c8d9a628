package stdnet

import (
	"errors"
	"net"

	"github.com/haypile/haypile/internal/descriptor"
)

// socket is how a connection is read and written without waiting.
type socket interface {
	// read waits for input and passes it to t.deliver. It returns the error
	// that ends the input, io.EOF for the peer's end.
	read(t *transport) error
	// tryWrite writes what the kernel takes at once. errWouldBlock is for the
	// rest, and for sockets that cannot tell.
	tryWrite(p []byte) (int, error)
	// tryVector is tryWrite of what does not lie together.
	tryVector(v *descriptor.Vector) (int, error)
	// write waits until the kernel takes some of p.
	write(p []byte) (int, error)
	// doze is told whether input is left unread for now.
	doze(on bool)
}

var errWouldBlock = errors.New("amqp: write would block")

// plainSocket is for connections that are nothing but a net.Conn: Read needs
// the buffer before there is input, hence a small one, and Write may wait.
type plainSocket struct {
	conn net.Conn
	buf  []byte
}

const plainReadSize = 16 << 10

func newPlainSocket(conn net.Conn) socket { return &plainSocket{conn: conn} }

func (s *plainSocket) read(t *transport) error {
	if s.buf == nil {
		s.buf = make([]byte, plainReadSize)
	}
	n, err := s.conn.Read(s.buf)
	if n > 0 {
		t.deliver(s.buf[:n])
	}
	return err
}

func (s *plainSocket) tryWrite([]byte) (int, error) { return 0, errWouldBlock }

func (s *plainSocket) tryVector(*descriptor.Vector) (int, error) { return 0, errWouldBlock }

// plainWriteSize bounds a Write, so that Buffered follows what has left.
const plainWriteSize = 64 << 10

func (s *plainSocket) write(p []byte) (int, error) {
	return s.conn.Write(p[:min(len(p), plainWriteSize)])
}

func (s *plainSocket) doze(bool) {}
