//go:build unix

package stdnet

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// newReader picks the raw reader where there is a file descriptor. A type that
// embeds one of these may change what Read does, so only the types themselves
// count.
func newReader(conn net.Conn) reader {
	var raw syscall.RawConn
	var err error
	switch c := conn.(type) {
	case *net.TCPConn:
		raw, err = c.SyscallConn()
	case *net.UnixConn:
		raw, err = c.SyscallConn()
	default:
		return newPlainReader(conn)
	}
	if err != nil {
		return newPlainReader(conn) // whose Read will tell the error
	}
	r := &rawReader{raw: raw}
	r.try = r.readOnce
	return r
}

// rawReader takes a buffer from the pool only when there is something to read,
// so that idle connections hold none.
type rawReader struct {
	raw syscall.RawConn
	try func(fd uintptr) bool
	buf *[readSize]byte
	n   int
	err error
}

func (r *rawReader) read(t *transport) error {
	if err := r.raw.Read(r.try); err != nil {
		return err
	}
	if r.err != nil {
		return r.err
	}
	buf := r.buf
	r.buf = nil
	t.deliver(buf[:r.n])
	readBuffers.Put(buf)
	return nil
}

// readOnce reads what there is; false makes the runtime wait for more.
func (r *rawReader) readOnce(fd uintptr) bool {
	buf := readBuffers.Get().(*[readSize]byte)
	for {
		r.n, r.err = syscall.Read(int(fd), buf[:])
		if !errors.Is(r.err, syscall.EINTR) {
			break
		}
	}
	switch {
	case r.err == nil && r.n > 0:
		r.buf = buf
		return true
	case r.err == nil:
		r.err = io.EOF
	}
	readBuffers.Put(buf)
	return !errors.Is(r.err, syscall.EAGAIN)
}
