package adaptertest

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"

	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
	"github.com/haypile/haypile/internal/testcert"
)

// testTLS has a client and a server of AMQP speak TLS to each other, both on the
// loop. What the client publishes comes back.
func testTLS(t *trial) {
	authority := testcert.Must(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		ln, dial := t.network.listen(t)
		server := t.serve(ln, &tls.Config{
			Certificates: []tls.Certificate{authority.Pair(t, "server")}, MinVersion: version, MaxVersion: version,
			ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: authority.Pool(),
		})
		t.publishesWhatComesBack("amqps", server.Addr(), dial, &tls.Config{
			RootCAs: authority.Pool(), Certificates: []tls.Certificate{authority.Pair(t, "client")},
		})
		server.Close()
		t.await("the server's end", server.Done())
	}
}

func (t *trial) serve(ln net.Listener, cfg *tls.Config) *driver.Server {
	return driver.Serve(t.loop, ln, driver.ServeOptions{
		TLS:        cfg,
		NewHandler: func(*driver.Conn) core.ServerHandler { return mirror{} },
		OnError:    func(err error) { t.Error(err) },
	})
}

// testBridge has both roles use connections that are no sockets, which the driver
// bridges for loops that take sockets alone.
func testBridge(t *trial) {
	ln, dial := t.network.listen(t)
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	server := t.serve(wrapping{ln}, nil)
	defer server.Close()
	t.publishesWhatComesBack("amqp", server.Addr(), func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		return struct{ net.Conn }{c}, err
	}, nil)
	server.Close()
	t.await("the server's end", server.Done())
}

// wrapping accepts connections that are no sockets.
type wrapping struct{ net.Listener }

func (l wrapping) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return struct{ net.Conn }{c}, nil
}

func (t *trial) publishesWhatComesBack(scheme string, addr net.Addr, dial dialContext, cfg *tls.Config) {
	p, err := driver.ParseURI(scheme + "://" + addr.String())
	if err != nil {
		t.Fatal(err)
	}
	p.TLS, p.DialContext = cfg, dial
	conn, err := t.dial(p)
	if err != nil {
		t.Fatal(err)
	}
	body := pattern(1 << 20)
	back := make(chan struct{})
	err = conn.AddCallbackThreadsafe(func(c *core.Conn) {
		ch, err := c.OpenChannel(returns{got: func(m *core.Return) {
			if !bytes.Equal(m.Body, body) {
				t.Errorf("%d bytes came back changed", len(m.Body))
			}
			close(back)
		}})
		if err == nil {
			_, err = ch.Publish(&core.Publishing{RoutingKey: "back", Mandatory: true, Body: body})
		}
		if err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.await("the message", back)
	conn.Close()
	t.await("the client's end", conn.Done())
	if err := conn.Err(); err != nil {
		t.Errorf("the client ended with %v", err)
	}
}

// mirror lets everybody in and returns every message.
type mirror struct{ core.NopServer }

func (mirror) OnAuth(c *core.Conn, _ string, _ wire.Secret) { c.Accept() }

func (mirror) OnChannel(*core.Conn, *core.Channel) core.ServerChannelHandler { return mirrorChannel{} }

type mirrorChannel struct{ core.NopServerChannel }

func (mirrorChannel) OnPublish(ch *core.Channel, p *core.Published) {
	// An error means that the client is gone, which it hears of by itself.
	_ = ch.Return(&wire.BasicReturn{ReplyCode: 312, ReplyText: "NO_ROUTE", RoutingKey: p.RoutingKey},
		&core.Content{RawProperties: p.Properties, Body: p.Body})
}

// returns is a handler of returned messages.
type returns struct {
	core.NopChannel
	got func(*core.Return)
}

func (r returns) OnReturn(_ *core.Channel, m *core.Return) { r.got(m) }
