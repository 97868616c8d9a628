package driver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/core"
)

// secured is a connection whose TLS handshake is done. From then on the loop
// moves the bytes, and crypto/tls works on memory: what came is put in, what is
// to be sent is taken out. So TLS needs nothing of a loop.
type secured struct {
	tls    *tls.Conn
	pipe   *memoryPipe
	broken bool // by what the peer sent, which crypto/tls has answered by an alert
}

// memoryPipe is what the tls.Conn takes for its connection: the real one during
// the handshake, then memory. After that only the loop's handler calls use it.
type memoryPipe struct {
	net.Conn
	switched bool
	in       []byte // what came and crypto/tls has not read; lent by the loop
	out      []byte // what is to be sent
}

// wouldBlock is what crypto/tls gets when there is nothing to read. Since it
// calls itself temporary, half a record is kept and reading can go on later.
type wouldBlock struct{}

func (wouldBlock) Error() string   { return "amqp: nothing to read" }
func (wouldBlock) Timeout() bool   { return true }
func (wouldBlock) Temporary() bool { return true }

func (m *memoryPipe) Read(p []byte) (int, error) {
	if !m.switched {
		return m.Conn.Read(p)
	}
	if len(m.in) == 0 {
		return 0, wouldBlock{}
	}
	n := copy(p, m.in)
	m.in = m.in[n:]
	return n, nil
}

func (m *memoryPipe) Write(p []byte) (int, error) {
	if !m.switched {
		return m.Conn.Write(p)
	}
	m.out = append(m.out, p...)
	return len(p), nil
}

func (m *memoryPipe) SetDeadline(t time.Time) error     { return m.deadline(m.Conn.SetDeadline, t) }
func (m *memoryPipe) SetReadDeadline(t time.Time) error { return m.deadline(m.Conn.SetReadDeadline, t) }
func (m *memoryPipe) SetWriteDeadline(t time.Time) error {
	return m.deadline(m.Conn.SetWriteDeadline, t)
}

func (m *memoryPipe) deadline(set func(time.Time) error, t time.Time) error {
	if m.switched {
		return nil
	}
	return set(t)
}

// TLSError is a TLS handshake that failed. What crypto/tls and crypto/x509 found
// is reachable through errors.As, such as a *tls.CertificateVerificationError; of
// what the server found, there is a *net.OpError of the operation "remote error".
type TLSError struct {
	Host   string // that was connected to, or that connected
	Err    error
	served bool // by a Server
}

// Error says what was wrong, and of what is probably a plain port, that it is.
func (e *TLSError) Error() string {
	text := fmt.Sprintf("amqp: %s: TLS handshake: %v", e.Host, e.Err)
	switch record := (tls.RecordHeaderError{}); {
	case !errors.As(e.Err, &record):
	case e.served:
		text += "; the client does not speak TLS"
	default:
		text += "; the server does not speak TLS on this port, use amqp:// if it is for plain AMQP"
	}
	return text
}

// Unwrap is what crypto/tls found.
func (e *TLSError) Unwrap() error { return e.Err }

// tlsConfig is the user's, or the default, made ready for a host. The user's is
// not changed.
func (p *Params) tlsConfig(host string) *tls.Config {
	cfg := &tls.Config{}
	if p.TLS != nil {
		cfg = p.TLS.Clone()
	}
	if cfg.ServerName == "" {
		cfg.ServerName = host // also where nothing is verified: the server may choose by it
	}
	secureDefaults(cfg)
	return cfg
}

// secureDefaults fills in what both roles want.
func secureDefaults(cfg *tls.Config) {
	if cfg.MinVersion == 0 {
		cfg.MinVersion = tls.VersionTLS12
	}
	cfg.DynamicRecordSizingDisabled = true // it is for browsers; here it makes small records for nothing
}

// secure does the client's side of the TLS handshake.
func (d *dialing) secure(ctx context.Context, conn net.Conn, e Endpoint, host string, deadline time.Time) (*secured, error) {
	cfg := d.params.tlsConfig(e.serverName())
	s, err := handshakeTLS(ctx, time.Until(deadline), conn, func(c net.Conn) *tls.Conn { return tls.Client(c, cfg) })
	if err != nil {
		return nil, &TLSError{Host: host, Err: err}
	}
	return s, nil
}

// handshakeTLS does the TLS handshake on the real connection, and closes that if
// it fails. From its end on the connection is the loop's. The error is
// core.ErrHandshakeTimeout when limit has passed, and ctx has not ended.
func handshakeTLS(ctx context.Context, limit time.Duration, conn net.Conn, role func(net.Conn) *tls.Conn) (*secured, error) {
	pipe := &memoryPipe{Conn: conn}
	s := &secured{tls: role(pipe), pipe: pipe}
	limited, cancel := context.WithTimeoutCause(ctx, limit, core.ErrHandshakeTimeout)
	defer cancel()
	err := s.tls.HandshakeContext(limited)
	if err != nil && ctx.Err() == nil && limited.Err() != nil {
		err = context.Cause(limited)
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		tellForeigner(err)
		conn.Close()
		return nil, err
	}
	pipe.switched = true
	return s, nil
}

// tellForeigner answers a peer that speaks no TLS by an alert, which crypto/tls
// leaves to others: so it can tell that this is the wrong port.
func tellForeigner(err error) {
	if e := (tls.RecordHeaderError{}); errors.As(err, &e) && e.Conn != nil {
		_, _ = e.Conn.Write([]byte{21, 3, 1, 0, 2, 2, 10}) // fatal, unexpected_message; it may have gone
	}
}

// serverName is what the certificate must name.
func (e Endpoint) serverName() string {
	if e.network() == "unix" {
		return "localhost"
	}
	return e.Host
}

const plainSize = 16 << 10 // a record's

// plainBuffers are what records are decrypted into, shared by all connections.
var plainBuffers = sync.Pool{New: func() any { return new([plainSize]byte) }}

// receive decrypts what came and passes it on, piece by piece. p may be empty:
// the handshake may have read more than its own. The error is of the connection,
// io.EOF for the peer's orderly end.
func (s *secured) receive(p []byte, deliver func(p []byte)) error {
	s.pipe.in = p
	plain := plainBuffers.Get().(*[plainSize]byte)
	defer plainBuffers.Put(plain)
	for {
		n, err := s.tls.Read(plain[:])
		if n > 0 {
			deliver(plain[:n])
		}
		if errors.Is(err, wouldBlock{}) {
			s.pipe.in = nil
			return nil
		}
		if err != nil {
			s.broken = err != io.EOF
			return err
		}
	}
}

// write encrypts the segments for the transport. It fails only on a connection
// that receive has found broken, which then ends for that.
func (s *secured) write(segments [][]byte, t adapters.Transport) {
	for _, p := range segments {
		if _, err := s.tls.Write(p); err != nil {
			break
		}
	}
	s.drain(t)
}

// drain hands what crypto/tls wants to send to the transport: records, and its
// own alerts and key updates.
func (s *secured) drain(t adapters.Transport) {
	if len(s.pipe.out) == 0 {
		return
	}
	t.Write([][]byte{s.pipe.out})
	s.pipe.out = s.pipe.out[:0]
	if cap(s.pipe.out) > adapters.LowWater {
		s.pipe.out = nil
	}
}

// end tells the peer that nothing more comes.
func (s *secured) end(t adapters.Transport) {
	if s.tls.CloseWrite() == nil { // else there is no more to tell
		s.drain(t)
	}
}
