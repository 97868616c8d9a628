package driver_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/adapters/internal/fakebroker"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
	"github.com/haypile/haypile/internal/testcert"
)

// serveTLS is a broker behind TLS that echoes what is published, to consumer "c"
// of channel 1, and goes on until the client goes. ended gets how its input
// ended.
func serveTLS(t *testing.T, cfg *tls.Config) (addr string, ended chan error) {
	t.Helper()
	ended = make(chan error, 10)
	addr = fakebroker.StartOn(t, func(c net.Conn) net.Conn { return tls.Server(c, cfg) }, func(_ int, s *fakebroker.Session) {
		if !s.Handshake() {
			return
		}
		s.Expect(wire.ChannelOpenID)
		s.Send(1, &wire.ChannelOpenOk{})
		s.Expect(wire.BasicConsumeID)
		s.Send(1, &wire.BasicConsumeOk{ConsumerTag: "c"}, &wire.BasicDeliver{ConsumerTag: "c", DeliveryTag: 1}, strings.Repeat("x", 300_000))
		s.Expect(wire.BasicAckID)
		s.Expect(wire.ConnectionCloseID)
		s.Send(0, &wire.ConnectionCloseOk{})
		_, err := s.Conn.Read(make([]byte, 1))
		ended <- err
	})
	return addr, ended
}

func secure(t *testing.T, addr string, cfg *tls.Config) driver.Params {
	p := params(t, addr)
	p.Endpoints[0].TLS = true
	p.TLS = cfg
	return p
}

func TestTLS(t *testing.T) {
	authority := testcert.Must(t)
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			addr, ended := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{authority.Pair(t, "server")}, MaxVersion: version})
			mine := &tls.Config{RootCAs: authority.Pool()}
			conn := dial(t, secure(t, addr, mine), nil)
			if state := conn.TLS(); state == nil || state.Version != version || len(state.PeerCertificates) == 0 {
				t.Errorf("TLS state %+v", state)
			}
			got := make(chan int, 1)
			err := conn.AddCallbackThreadsafe(func(c *core.Conn) {
				ch, err := c.OpenChannel(nil)
				if err != nil {
					t.Error(err)
					return
				}
				if err := ch.Consume(&wire.BasicConsume{ConsumerTag: "c"}, func(d *core.Delivery) {
					ch.Ack(d.DeliveryTag, false)
					got <- len(d.Body)
				}, nil); err != nil {
					t.Error(err)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if n := <-got; n != 300_000 {
				t.Errorf("a body of %d bytes came", n)
			}
			conn.Close()
			<-conn.Done()
			if err := conn.Err(); err != nil {
				t.Error(err)
			}
			if err := <-ended; err != io.EOF {
				t.Errorf("the server's input ended with %v, not in order", err)
			}
			if mine.ServerName != "" || mine.MinVersion != 0 {
				t.Errorf("the caller's config was changed: %+v", mine)
			}
		})
	}
}

func TestPlainConnectionHasNoTLSState(t *testing.T) {
	if conn := dial(t, params(t, friendly(t)), nil); conn.TLS() != nil {
		t.Error("there is one")
	}
}

func TestFailedTLSHandshakesSayWhy(t *testing.T) {
	authority, stranger := testcert.Must(t), testcert.Must(t)
	server := func(pair tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{pair}} }
	good := server(authority.Pair(t, "server"))
	needsCert := good.Clone()
	needsCert.ClientAuth, needsCert.ClientCAs, needsCert.MaxVersion = tls.RequireAndVerifyClientCert, authority.Pool(), tls.VersionTLS12
	old := good.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS11, tls.VersionTLS11
	for name, test := range map[string]struct {
		server *tls.Config
		client *tls.Config
		as     any
		want   string
	}{
		"unknown authority":     {good, &tls.Config{RootCAs: stranger.Pool()}, new(x509.UnknownAuthorityError), "unknown authority"},
		"another host":          {good, &tls.Config{RootCAs: authority.Pool(), ServerName: "elsewhere.example"}, new(x509.HostnameError), "elsewhere.example"},
		"expired certificate":   {server(authority.PairUntil(t, "server", time.Now().Add(-time.Hour))), &tls.Config{RootCAs: authority.Pool()}, new(x509.CertificateInvalidError), "expired"},
		"no client certificate": {needsCert, &tls.Config{RootCAs: authority.Pool()}, new(*net.OpError), "remote error"},
		"an old version":        {old, &tls.Config{RootCAs: authority.Pool()}, new(*net.OpError), "version"},
	} {
		t.Run(name, func(t *testing.T) {
			addr, _ := serveTLS(t, test.server)
			_, err := driver.Dial(context.Background(), newLoop(t), secure(t, addr, test.client), nil)
			var e *driver.TLSError
			if !errors.As(err, &e) || !errors.As(err, test.as) || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), addr) || strings.Count(err.Error(), "TLS handshake") != 1 {
				t.Errorf("%T: %v", err, err)
			}
		})
	}
}

// In TLS 1.3 a client is through with the handshake before the server has judged
// its certificate.
func TestRefusedClientCertificateInTLS13(t *testing.T) {
	authority := testcert.Must(t)
	addr, _ := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{authority.Pair(t, "server")}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: authority.Pool()})
	_, err := driver.Dial(context.Background(), newLoop(t), secure(t, addr, &tls.Config{RootCAs: authority.Pool()}), nil)
	if err == nil || !strings.Contains(err.Error(), "certificate required") {
		t.Errorf("dial: %v", err)
	}
	conn := dial(t, secure(t, addr, &tls.Config{RootCAs: authority.Pool(), Certificates: []tls.Certificate{authority.Pair(t, "client")}}), nil)
	conn.Abort()
	<-conn.Done()
}

func TestPlainServerBehindAmqps(t *testing.T) {
	addr := fakebroker.Start(t, func(_ int, s *fakebroker.Session) {
		s.Conn.Read(make([]byte, 1000))
		s.Conn.Write([]byte(wire.ProtocolHeader)) // how RabbitMQ answers what it does not understand
	})
	_, err := driver.Dial(context.Background(), newLoop(t), secure(t, addr, nil), nil)
	if err == nil || !strings.Contains(err.Error(), "use amqp://") {
		t.Errorf("dial: %v", err)
	}
}

func TestTLSServerBehindAmqp(t *testing.T) {
	addr := fakebroker.Start(t, func(_ int, s *fakebroker.Session) {
		s.Conn.Read(make([]byte, 1000))
		s.Conn.Write([]byte{21, 3, 3, 0, 2, 2, 80}) // the alert internal_error, as RabbitMQ's TLS listener answers
	})
	_, err := driver.Dial(context.Background(), newLoop(t), params(t, addr), nil)
	var e *core.NotAMQPError
	if !errors.As(err, &e) || !strings.Contains(err.Error(), "amqps") {
		t.Errorf("dial: %v", err)
	}
}

func TestResetInTheTLSHandshake(t *testing.T) {
	addr := fakebroker.Start(t, func(_ int, s *fakebroker.Session) {
		s.Conn.Read(make([]byte, 10))
		s.Conn.(*net.TCPConn).SetLinger(0)
	})
	_, err := driver.Dial(context.Background(), newLoop(t), secure(t, addr, nil), nil)
	var e *driver.TLSError
	if !errors.As(err, &e) {
		t.Errorf("dial: %v", err)
	}
}

func TestSilentServerEndsInTheStackTimeout(t *testing.T) {
	addr := fakebroker.Start(t, func(_ int, s *fakebroker.Session) { io.Copy(io.Discard, s.Conn) })
	for scheme, p := range map[string]driver.Params{"amqp": params(t, addr), "amqps": secure(t, addr, nil)} {
		p.StackTimeout = 100 * time.Millisecond
		p.DialContext = func(_ context.Context, network, address string) (net.Conn, error) {
			return net.Dial(network, address) // however long it takes
		}
		_, err := driver.Dial(context.Background(), newLoop(t), p, nil)
		var e *driver.TLSError
		if errors.As(err, &e) != (scheme == "amqps") || !errors.Is(err, core.ErrHandshakeTimeout) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", scheme, err)
		}
	}
}

func TestURIOfTLS(t *testing.T) {
	dir := t.TempDir()
	authority := testcert.Must(t)
	if err := authority.Files(dir, "client"); err != nil {
		t.Fatal(err)
	}
	file := func(name string) string { return filepath.Join(dir, name) }
	p, err := driver.ParseURI("amqps://anna:secret@r1,r2:1234/v?server_name_indication=rabbit.example&cacertfile=" + file("ca.pem") + "&certfile=" + file("client.pem") + "&keyfile=" + file("client.key"))
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range []driver.Endpoint{{Host: "r1", Port: 5671, TLS: true}, {Host: "r2", Port: 1234, TLS: true}} {
		if p.Endpoints[i] != e {
			t.Errorf("endpoint %+v", p.Endpoints[i])
		}
	}
	if c := p.TLS; c.ServerName != "rabbit.example" || c.InsecureSkipVerify || len(c.Certificates) != 1 || !c.RootCAs.Equal(authority.Pool()) {
		t.Errorf("TLS config %+v", c)
	}
	if p, err = driver.ParseURI("amqps://"); err != nil || p.TLS != nil {
		t.Errorf("no arguments: %+v, %v", p.TLS, err)
	}
	if p, err = driver.ParseURI("amqps://h?verify=verify_none"); err != nil || !p.TLS.InsecureSkipVerify {
		t.Errorf("verify_none: %+v, %v", p.TLS, err)
	}
	if err := os.WriteFile(file("empty.pem"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for uri, want := range map[string]string{
		"amqp://h?cacertfile=x":                          "amqps",
		"amqps://h?verify=maybe":                         "verify_peer",
		"amqps://h?cacertfile=" + file("none.pem"):       "no such file",
		"amqps://h?cacertfile=" + file("empty.pem"):      "no certificate",
		"amqps://h?certfile=" + file("client.pem"):       "together",
		"amqps://h?certfile=/none.pem&keyfile=/none.key": "no such file",
	} {
		_, err := driver.ParseURI(uri)
		var e *driver.URIError
		if !errors.As(err, &e) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", uri, err)
		}
	}
	if _, err := driver.ParseURI("amqps://h?cacertfile=" + file("none.pem")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}
