package stdnet

import (
	"net"
	"sync"
)

// reader reads a connection, one piece at a time.
type reader interface {
	// read waits for input and passes it to t.deliver. It returns the error
	// that ends the input.
	read(t *transport) error
}

const readSize = 64 << 10

// readBuffers are shared by all transports.
var readBuffers = sync.Pool{New: func() any { return new([readSize]byte) }}

// plainReader is for connections that can only be read by Read, which needs the
// buffer before there is input; hence a small one.
type plainReader struct {
	conn net.Conn
	buf  []byte
}

const plainReadSize = 16 << 10

func newPlainReader(conn net.Conn) reader { return &plainReader{conn: conn} }

func (r *plainReader) read(t *transport) error {
	if r.buf == nil {
		r.buf = make([]byte, plainReadSize)
	}
	n, err := r.conn.Read(r.buf)
	if n > 0 {
		t.deliver(r.buf[:n])
	}
	return err
}
