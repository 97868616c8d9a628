//go:build unix

package stdnet

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"

	"github.com/haypile/haypile/internal/descriptor"
)

// What one system call reads: little, until there is more than that to read.
const (
	readSize = 64 << 10
	bulkSize = 256 << 10
)

// Read buffers are shared by all transports.
var (
	readBuffers = sync.Pool{New: func() any { return new([readSize]byte) }}
	bulkBuffers = sync.Pool{New: func() any { return new([bulkSize]byte) }}
)

func takeBuffer(bulk bool) []byte {
	if bulk {
		return bulkBuffers.Get().(*[bulkSize]byte)[:]
	}
	return readBuffers.Get().(*[readSize]byte)[:]
}

func giveBuffer(buf []byte) {
	if len(buf) == bulkSize {
		bulkBuffers.Put((*[bulkSize]byte)(buf))
	} else {
		readBuffers.Put((*[readSize]byte)(buf))
	}
}

// newSocket picks the raw socket where there is a file descriptor. A type that
// embeds one of these may change what Read and Write do, so only the types
// themselves count.
func newSocket(conn net.Conn) socket {
	var raw syscall.RawConn
	var err error
	switch c := conn.(type) {
	case *net.TCPConn:
		raw, err = c.SyscallConn()
	case *net.UnixConn:
		raw, err = c.SyscallConn()
	default:
		return newPlainSocket(conn)
	}
	if err != nil {
		return newPlainSocket(conn) // whose Read will tell the error
	}
	s := &rawSocket{conn: conn, raw: raw}
	s.in.try, s.out.try, s.out.tryVector, s.out.wait = s.readOnce, s.writeOnce, s.writeVector, s.writeSome
	return s
}

// rawSocket takes a buffer from the pool only when there is something to read,
// so that idle connections hold none, and writes without waiting.
type rawSocket struct {
	conn net.Conn
	raw  syscall.RawConn
	in   struct { // the reader's
		try  func(fd uintptr) bool // made once: a method value is an allocation
		buf  []byte
		n    int
		err  error
		bulk bool // much comes at a time
	}
	out struct { // of whoever flushes
		try       func(fd uintptr) bool
		tryVector func(fd uintptr) bool
		wait      func(fd uintptr) bool
		p         []byte
		v         *descriptor.Vector
		n         int
		err       error
	}
}

func (s *rawSocket) read(t *transport) error {
	if err := s.raw.Read(s.in.try); err != nil {
		return err
	}
	if s.in.err != nil {
		return s.failure("read", s.in.err)
	}
	if s.in.n == 0 {
		return io.EOF
	}
	buf := s.in.buf
	s.in.buf = nil
	s.in.bulk = s.in.n >= readSize
	t.deliver(buf[:s.in.n])
	giveBuffer(buf)
	return nil
}

// readOnce reads what there is; false makes the runtime wait for more.
func (s *rawSocket) readOnce(fd uintptr) bool {
	in := &s.in
	in.buf = takeBuffer(in.bulk)
	in.n, in.err = descriptor.Read(int(fd), in.buf)
	if in.n == 0 {
		giveBuffer(in.buf)
		in.buf = nil
	}
	return in.err != syscall.EAGAIN
}

func (s *rawSocket) tryWrite(p []byte) (int, error) {
	s.out.p = p
	return s.whole(len(p), s.out.try)
}

func (s *rawSocket) tryVector(v *descriptor.Vector) (int, error) {
	s.out.v = v
	return s.whole(v.Size(), s.out.tryVector)
}

// whole has less than size not be enough.
func (s *rawSocket) whole(size int, call func(fd uintptr) bool) (int, error) {
	n, err := s.writeBy(call)
	if err == nil && n < size {
		err = errWouldBlock
	}
	return n, err
}

func (s *rawSocket) write(p []byte) (int, error) {
	s.out.p = p
	return s.writeBy(s.out.wait)
}

func (s *rawSocket) writeBy(call func(fd uintptr) bool) (int, error) {
	out := &s.out
	err := s.raw.Write(call)
	out.p, out.v = nil, nil
	switch {
	case err != nil:
		return 0, err
	case out.err == syscall.EAGAIN:
		return out.n, errWouldBlock
	case out.err != nil:
		return out.n, s.failure("write", out.err)
	}
	return out.n, nil
}

// writeOnce does not have the runtime wait, whatever the kernel took.
func (s *rawSocket) writeOnce(fd uintptr) bool {
	s.out.n, s.out.err = descriptor.Write(int(fd), s.out.p)
	return true
}

// writeVector is writeOnce of a vector.
func (s *rawSocket) writeVector(fd uintptr) bool {
	s.out.n, s.out.err = s.out.v.Write(int(fd))
	return true
}

// writeSome has the runtime wait until the kernel takes something.
func (s *rawSocket) writeSome(fd uintptr) bool {
	s.writeOnce(fd)
	return s.out.err != syscall.EAGAIN
}

// failure dresses a system call's error as package net does.
func (s *rawSocket) failure(op string, err error) error {
	local := s.conn.LocalAddr()
	return &net.OpError{Op: op, Net: local.Network(), Source: local, Addr: s.conn.RemoteAddr(), Err: os.NewSyscallError(op, err)}
}
