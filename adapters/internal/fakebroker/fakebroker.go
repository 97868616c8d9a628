// Package fakebroker plays a broker that tests script: it speaks the wire
// format and knows nothing of queues.
package fakebroker

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/haypile/haypile/core/wire"
)

// Start listens on a port of loopback and runs the script for each connection,
// with the number of the connection counting from 0. When the script returns,
// the connection is closed. It returns the address, and stops with the test,
// which fails if a script is still running then that does not end by the
// client's going.
func Start(t testing.TB, script func(n int, s *Session)) (addr string) {
	t.Helper()
	return StartOn(t, func(c net.Conn) net.Conn { return c }, script)
}

// StartOn is Start with something between the connection and the script, such as
// tls.Server.
func StartOn(t testing.TB, wrap func(net.Conn) net.Conn, script func(n int, s *Session)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve(t, l, wrap, script)
	return l.Addr().String()
}

// Serve is Start on a listener of the test's, which it closes.
func Serve(t testing.TB, l net.Listener, script func(n int, s *Session)) {
	t.Helper()
	serve(t, l, func(c net.Conn) net.Conn { return c }, script)
}

func serve(t testing.TB, l net.Listener, wrap func(net.Conn) net.Conn, script func(n int, s *Session)) {
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 0; ; n++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				conn := wrap(conn)
				defer conn.Close()
				script(n, &Session{Conn: conn, closed: map[uint16]bool{}})
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
}

// Session is one connection. Its methods end quietly when the client has gone.
type Session struct {
	net.Conn
	// Properties are of the content that Next returned last.
	Properties wire.RawProperties
	// Seen, if set, is told of every method that Next returns.
	Seen   func(m wire.Method, body []byte)
	buf    []byte
	closed map[uint16]bool // channels that Send closed and the client has not answered
}

// Handshake opens the connection as a broker does; false when the client went.
func (s *Session) Handshake() bool { return s.HandshakeBy("PLAIN") }

// HandshakeBy is Handshake with another mechanism.
func (s *Session) HandshakeBy(mechanism string) bool {
	header := make([]byte, len(wire.ProtocolHeader))
	if _, err := io.ReadFull(s.Conn, header); err != nil {
		return false
	}
	s.Send(0, &wire.ConnectionStart{
		VersionMinor: 9, Mechanisms: mechanism, Locales: "en_US",
		ServerProperties: wire.Table{"product": "fakebroker", "capabilities": wire.Table{"publisher_confirms": true}},
	})
	if s.Expect(wire.ConnectionStartOkID) == nil {
		return false
	}
	s.Send(0, &wire.ConnectionTune{ChannelMax: 2047, FrameMax: 131072, Heartbeat: 60})
	if s.Expect(wire.ConnectionOpenID) == nil {
		return false
	}
	s.Send(0, &wire.ConnectionOpenOk{})
	return true
}

// Refuse turns the client away for its credentials, as RabbitMQ does; true when the
// client has answered.
func (s *Session) Refuse() bool {
	if _, err := io.ReadFull(s.Conn, make([]byte, len(wire.ProtocolHeader))); err != nil {
		return false
	}
	s.Send(0, &wire.ConnectionStart{VersionMinor: 9, Mechanisms: "PLAIN", Locales: "en_US"})
	if s.Expect(wire.ConnectionStartOkID) == nil {
		return false
	}
	s.Send(0, &wire.ConnectionClose{ReplyCode: wire.AccessRefused, ReplyText: "ACCESS_REFUSED"})
	return s.Expect(wire.ConnectionCloseOkID) != nil
}

// Content is a whole content with properties.
type Content struct {
	Properties wire.Properties
	Body       string
}

// Send sends methods and whole contents (strings, or Content) on a channel.
func (s *Session) Send(channel uint16, items ...any) {
	var p []byte
	for _, item := range items {
		switch v := item.(type) {
		case wire.Method:
			if v.ID() == wire.ChannelCloseID {
				s.closed[channel] = true
			}
			p, _ = wire.AppendMethodFrame(p, channel, v) // scripts send what can be encoded
		case string:
			p = appendContent(p, channel, nil, v)
		case Content:
			raw, _ := v.Properties.Encode() // as with methods
			p = appendContent(p, channel, raw, v.Body)
		}
	}
	s.Write(p) // an error means that the client has gone
}

// SendContent sends a method with its content.
func (s *Session) SendContent(channel uint16, m wire.Method, props wire.RawProperties, body string) {
	p, _ := wire.AppendMethodFrame(nil, channel, m)
	s.Write(appendContent(p, channel, props, body))
}

func appendContent(p []byte, channel uint16, raw wire.RawProperties, body string) []byte {
	p = wire.AppendHeaderFrame(p, channel, wire.ClassBasic, uint64(len(body)), raw)
	return wire.AppendBody(p, channel, []byte(body), 131072)
}

// Next returns the next method that the client sends, with its channel and, if
// it has content, the body. nil when the client has gone.
func (s *Session) Next() (m wire.Method, channel uint16, body []byte) {
	for {
		f, ok := s.frame()
		if !ok {
			return nil, 0, nil
		}
		if f.Type != wire.FrameMethod {
			continue
		}
		m, err := wire.Decode(f.Payload)
		if err != nil {
			return nil, 0, nil
		}
		if m.ID().HasContent() {
			body = s.content()
		}
		if s.Seen != nil {
			s.Seen(m, body)
		}
		return m, f.Channel, body
	}
}

// Expect skips to the next method with that id; nil when the client has gone.
func (s *Session) Expect(id wire.MethodID) wire.Method {
	for {
		m, _, _ := s.Next()
		if m == nil || m.ID() == id {
			return m
		}
	}
}

// Serve answers what every client does (opening and closing channels, closing
// the connection) and passes all else to answer, until the client goes. What comes
// for a channel that Send has closed is dropped.
func (s *Session) Serve(answer func(m wire.Method, channel uint16, body []byte)) {
	for {
		m, channel, body := s.Next()
		if s.closed[channel] && m != nil {
			s.closed[channel] = m.ID() != wire.ChannelCloseOkID
			continue
		}
		switch m.(type) {
		case nil:
			return
		case *wire.ChannelOpen:
			s.Send(channel, &wire.ChannelOpenOk{})
		case *wire.ChannelClose:
			s.Send(channel, &wire.ChannelCloseOk{})
		case *wire.ConnectionClose:
			s.Send(0, &wire.ConnectionCloseOk{})
			return
		default:
			if answer != nil {
				answer(m, channel, body)
			}
		}
	}
}

func (s *Session) content() []byte {
	f, ok := s.frame()
	if !ok {
		return nil
	}
	_, size, props, err := wire.ParseContentHeader(f.Payload)
	if err != nil {
		return nil
	}
	s.Properties = props
	var body []byte
	for uint64(len(body)) < size {
		if f, ok = s.frame(); !ok {
			return nil
		}
		body = append(body, f.Payload...)
	}
	return body
}

// frame reads one frame; its payload is the caller's.
func (s *Session) frame() (wire.Frame, bool) {
	for {
		f, n, err := wire.ParseFrame(s.buf, 0)
		if err != nil {
			return f, false
		}
		if n > 0 {
			f.Payload = bytes.Clone(f.Payload)
			s.buf = s.buf[n:]
			return f, true
		}
		more := make([]byte, 64<<10)
		k, err := s.Read(more)
		if err != nil {
			return f, false
		}
		s.buf = append(s.buf, more[:k]...)
	}
}
