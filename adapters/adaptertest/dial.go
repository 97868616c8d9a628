package adaptertest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
	"github.com/haypile/haypile/internal/testcert"
)

// failedDial is a way in which connecting to a broker fails.
type failedDial struct {
	name   string
	scheme string
	peer   func(c *net.TCPConn) // what the broker does
	tls    *tls.Config          // the client's
	phase  driver.Phase
	as     any // the type that the error has in it
	text   string
}

// testFailedDials has clients fail to connect beside a connection that works.
func testFailedDials(t *trial) {
	other := t.attach(echo())
	for _, f := range append(failuresOfTLS(t), failuresOfAMQP()...) {
		err := t.fails(f)
		var e *driver.DialError
		if !errors.As(err, &e) || len(e.Attempts) != 1 || e.Attempts[0].Phase != f.phase {
			t.Errorf("%s: %v", f.name, err)
			continue
		}
		if !errors.As(err, f.as) || !strings.Contains(err.Error(), f.text) {
			t.Errorf("%s: no %T with %q in %v", f.name, f.as, f.text, err)
		}
		other.echoes()
	}
}

func failuresOfTLS(t *trial) []failedDial {
	authority, stranger := testcert.Must(t), testcert.Must(t)
	speaks := func(cfg *tls.Config) func(*net.TCPConn) {
		return func(c *net.TCPConn) {
			s := tls.Server(c, cfg)
			s.Read(make([]byte, 100)) // after the handshake, if that goes well
		}
	}
	good := &tls.Config{Certificates: []tls.Certificate{authority.Pair(t, "server")}}
	old := &tls.Config{Certificates: good.Certificates, MinVersion: tls.VersionTLS11, MaxVersion: tls.VersionTLS11}
	expired := &tls.Config{Certificates: []tls.Certificate{authority.PairUntil(t, "server", time.Now().Add(-time.Hour))}}
	demanding := func(version uint16) *tls.Config {
		return &tls.Config{Certificates: good.Certificates, MaxVersion: version, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: authority.Pool()}
	}
	trusting := &tls.Config{RootCAs: authority.Pool()}
	return []failedDial{
		{"unknown authority", "amqps", speaks(good), &tls.Config{RootCAs: stranger.Pool()}, driver.PhaseTLS, new(x509.UnknownAuthorityError), "unknown authority"},
		{"wrong host", "amqps", speaks(good), &tls.Config{RootCAs: authority.Pool(), ServerName: "elsewhere.example"}, driver.PhaseTLS, new(x509.HostnameError), "elsewhere.example"},
		{"expired certificate", "amqps", speaks(expired), trusting, driver.PhaseTLS, new(x509.CertificateInvalidError), "expired"},
		{"old version", "amqps", speaks(old), trusting, driver.PhaseTLS, new(*driver.TLSError), "version"},
		{"no client certificate, TLS 1.2", "amqps", speaks(demanding(tls.VersionTLS12)), trusting, driver.PhaseTLS, new(*driver.TLSError), "remote error"},
		{"no client certificate, TLS 1.3", "amqps", speaks(demanding(tls.VersionTLS13)), trusting, driver.PhaseHandshake, new(*core.TransportError), "certificate required"},
		{"plain server", "amqps", answers(wire.ProtocolHeader), trusting, driver.PhaseTLS, new(tls.RecordHeaderError), "use amqp://"},
		{"reset in the TLS handshake", "amqps", resets, trusting, driver.PhaseTLS, new(syscall.Errno), ""},
		{"end in the TLS handshake", "amqps", answers(""), trusting, driver.PhaseTLS, new(*driver.TLSError), "EOF"},
		{"reset in the AMQP handshake within TLS", "amqps", func(c *net.TCPConn) {
			tls.Server(c, good).Read(make([]byte, 8))
			c.SetLinger(0)
		}, trusting, driver.PhaseHandshake, new(*core.TransportError), "connection.start"},
	}
}

func failuresOfAMQP() []failedDial {
	// RabbitMQ's TLS listener answers what is not TLS by the alert internal_error.
	const alert = "\x15\x03\x03\x00\x02\x02\x50"
	return []failedDial{
		{"TLS server", "amqp", answers(alert), nil, driver.PhaseHandshake, new(*core.NotAMQPError), "amqps"},
		{"HTTP server", "amqp", answers("HTTP/1.1 400 Bad Request\r\n\r\n"), nil, driver.PhaseHandshake, new(*core.NotAMQPError), "HTTP"},
		{"another version", "amqp", answers("AMQP\x00\x01\x00\x00"), nil, driver.PhaseHandshake, new(*core.NotAMQPError), "1-0-0"},
		{"reset in the AMQP handshake", "amqp", resets, nil, driver.PhaseHandshake, new(syscall.Errno), ""},
		{"end in the AMQP handshake", "amqp", answers(""), nil, driver.PhaseHandshake, new(*core.TransportError), "connection.start"},
		{"end in the middle of a frame", "amqp", answers("\x01\x00\x00\x00\x00\x01\x00"), nil, driver.PhaseHandshake, new(*core.TransportError), "connection.start"},
	}
}

// answers is a broker that has one thing to say and goes.
func answers(text string) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		c.Read(make([]byte, 4096))
		io.WriteString(c, text)
	}
}

// resets is a broker that vanishes.
func resets(c *net.TCPConn) {
	c.Read(make([]byte, 4))
	c.SetLinger(0)
}

// fails dials a broker of that kind.
func (t *trial) fails(f failedDial) error {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ln.(*net.TCPListener).SetDeadline(time.Now().Add(bound))
	served := make(chan struct{})
	go func() {
		defer close(served)
		c, err := ln.Accept()
		if err != nil {
			return
		}
		f.peer(c.(*net.TCPConn))
		c.Close()
	}()
	p, err := driver.ParseURI(f.scheme + "://" + ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	p.TLS = f.tls
	conn, err := t.dial(p)
	if err == nil {
		conn.Abort()
		t.Errorf("%s: it connected", f.name)
	}
	t.await("the end of the broker, "+f.name, served)
	return err
}

func (t *trial) dial(p driver.Params) (*driver.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	return driver.Dial(ctx, t.loop, p, nil)
}

// testDialOnClosedLoop: what was dialled for a loop that takes nothing any more
// is closed, and not tried again.
func testDialOnClosedLoop(t *trial) {
	t.loop.Close()
	err := t.fails(failedDial{name: "closed loop", scheme: "amqp", peer: func(c *net.TCPConn) {
		c.SetReadDeadline(time.Now().Add(bound))
		if _, err := io.ReadAll(c); err != nil {
			t.Errorf("the broker sees no end: %v", err)
		}
	}})
	if !errors.Is(err, adapters.ErrClosed) {
		t.Errorf("dial: %v", err)
	}
}

// testNotPollable: a connection that only looks like a socket has whatever its
// wrapping does, which a loop that polls its descriptor would pass by.
func testNotPollable(t *trial) {
	other := t.attach(echo())
	ours, peer := t.network.pair(t)
	p := echo()
	p.prepare(t, peer)
	switch err := t.loop.Attach(struct{ net.Conn }{ours}, p); {
	case err == nil:
		t.await("OnOpen", p.opened)
		p.echoes()
	case !errors.Is(err, adapters.ErrNotPollable):
		t.Errorf("Attach returned %v", err)
	case p.calls != 0:
		t.Error("the handler was called although Attach failed")
	default:
		if _, err := ours.Write([]byte("x")); err == nil {
			t.Error("the connection is open")
		}
	}
	other.echoes()
}
