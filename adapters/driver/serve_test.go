package driver_test

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
	"github.com/haypile/haypile/internal/testcert"
)

// greeter lets everybody in and answers each publish on a channel by a return of
// it.
type greeter struct {
	core.NopServer
	conn   *driver.Conn
	closed chan error
}

func (*greeter) OnAuth(c *core.Conn, _ string, _ wire.Secret) { c.Accept() }

func (*greeter) OnChannel(*core.Conn, *core.Channel) core.ServerChannelHandler { return returner{} }

func (g *greeter) OnClose(_ *core.Conn, err error) { g.closed <- err }

type returner struct{ core.NopServerChannel }

func (returner) OnPublish(ch *core.Channel, p *core.Published) {
	_ = ch.Return(&wire.BasicReturn{ReplyCode: 312, ReplyText: "NO_ROUTE", Exchange: p.Exchange, RoutingKey: p.RoutingKey}, &core.Content{RawProperties: p.Properties, Body: p.Body})
}

// serving is a server of greeters, which is aborted when the test ends.
type serving struct {
	*driver.Server
	t       *testing.T
	clients chan *greeter
	errs    chan error
}

func serve(t *testing.T, ln net.Listener, o driver.ServeOptions) *serving {
	t.Helper()
	s := &serving{t: t, clients: make(chan *greeter, 1000), errs: make(chan error, 1000)}
	if o.NewHandler == nil {
		o.NewHandler = func(d *driver.Conn) core.ServerHandler {
			g := &greeter{conn: d, closed: make(chan error, 1)}
			s.clients <- g
			return g
		}
	}
	o.OnError = func(err error) { s.errs <- err }
	o.Server.HandshakeTimeout = cmp.Or(o.Server.HandshakeTimeout, bound)
	s.Server = driver.Serve(newLoop(t), ln, o)
	t.Cleanup(func() {
		s.Abort()
		<-s.Done()
		if n := s.Conns(); n != 0 {
			t.Errorf("%d connections after Done", n)
		}
	})
	return s
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func TestServe(t *testing.T) {
	s := serve(t, listen(t), driver.ServeOptions{})
	conn := dial(t, params(t, s.Addr().String()), nil)
	roundTrip(t, conn)
	g := <-s.clients
	if g.conn.RemoteAddr().String() != conn.LocalAddr().String() {
		t.Errorf("the client is %v, the server says %v", conn.LocalAddr(), g.conn.RemoteAddr())
	}
	ran := make(chan bool)
	if err := g.conn.AddCallbackThreadsafe(func(c *core.Conn) { ran <- c.IsOpen() }); err != nil || !<-ran {
		t.Errorf("a callback on the server's side: %v", err)
	}
	conn.Close()
	<-conn.Done()
	if err := conn.Err(); err != nil {
		t.Error(err)
	}
	if err := <-g.closed; !errors.Is(err, wire.ReplySuccess) {
		t.Errorf("the server's side ended with %v", err)
	}
	<-g.conn.Done()
}

// roundTrip publishes what is returned.
func roundTrip(t *testing.T, conn *driver.Conn) {
	t.Helper()
	back := make(chan int, 1)
	err := conn.AddCallbackThreadsafe(func(c *core.Conn) {
		ch, err := c.OpenChannel(returned{size: back})
		if err == nil {
			_, err = ch.Publish(&core.Publishing{RoutingKey: "nowhere", Mandatory: true, Body: make([]byte, 300_000)})
		}
		if err != nil {
			t.Error(err)
			close(back)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := <-back; n != 300_000 {
		t.Errorf("a body of %d bytes came back", n)
	}
}

type returned struct {
	core.NopChannel
	size chan int
}

func (r returned) OnReturn(_ *core.Channel, m *core.Return) { r.size <- len(m.Body) }

func TestServeTLS(t *testing.T) {
	authority := testcert.Must(t)
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, listen(t), driver.ServeOptions{TLS: &tls.Config{
				Certificates: []tls.Certificate{authority.Pair(t, "server")}, MaxVersion: version,
				ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: authority.Pool(),
			}})
			conn := dial(t, secure(t, s.Addr().String(), &tls.Config{RootCAs: authority.Pool(), Certificates: []tls.Certificate{authority.Pair(t, "anna")}}), nil)
			roundTrip(t, conn)
			g := <-s.clients
			if state := g.conn.TLS(); state.Version != version || state.PeerCertificates[0].Subject.CommonName != "anna" {
				t.Errorf("TLS state %+v", state)
			}
		})
	}
}

func TestClientsThatSpeakNoTLSAreTold(t *testing.T) {
	authority := testcert.Must(t)
	s := serve(t, listen(t), driver.ServeOptions{TLS: &tls.Config{Certificates: []tls.Certificate{authority.Pair(t, "server")}}})
	_, err := driver.Dial(context.Background(), newLoop(t), params(t, s.Addr().String()), nil)
	var foreign *core.NotAMQPError
	if !errors.As(err, &foreign) || !strings.Contains(err.Error(), "amqps") {
		t.Errorf("the client is told %v", err)
	}
	var e *driver.TLSError
	if err := <-s.errs; !errors.As(err, &e) || !strings.Contains(err.Error(), "the client does not speak TLS") {
		t.Errorf("error is %v", err)
	}
}

func TestServerCloseTellsClients(t *testing.T) {
	s := serve(t, listen(t), driver.ServeOptions{})
	conn := dial(t, params(t, s.Addr().String()), nil)
	roundTrip(t, conn)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	<-conn.Done()
	if err := conn.Err(); !errors.Is(err, wire.ConnectionForced) {
		t.Errorf("the client ended with %v", err)
	}
	<-s.Done()
	if _, err := net.Dial("tcp", s.Addr().String()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dialling a server that was closed: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
}

// What has connected and says nothing must not hold up the end.
func TestServerCloseEndsHandshakes(t *testing.T) {
	authority := testcert.Must(t)
	for name, o := range map[string]driver.ServeOptions{
		"AMQP": {},
		"TLS":  {TLS: &tls.Config{Certificates: []tls.Certificate{authority.Pair(t, "server")}}},
	} {
		t.Run(name, func(t *testing.T) {
			o.Server.HandshakeTimeout = core.Off
			s := serve(t, listen(t), o)
			silent, err := net.Dial("tcp", s.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer silent.Close()
			for s.Conns() == 0 {
				time.Sleep(time.Millisecond)
			}
			s.Close()
			<-s.Done()
			silent.SetReadDeadline(time.Now().Add(bound))
			if _, err := silent.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the connection is still there: %v", err)
			}
		})
	}
}

// exhausted is a listener that fails as one does without descriptors.
type exhausted struct {
	net.Listener
	mu    sync.Mutex
	times int
}

func (e *exhausted) Accept() (net.Conn, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.times--; e.times >= 0 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return e.Listener.Accept()
}

func TestAcceptingGoesOnAfterFailures(t *testing.T) {
	s := serve(t, &exhausted{Listener: listen(t), times: 3}, driver.ServeOptions{})
	roundTrip(t, dial(t, params(t, s.Addr().String()), nil))
	for range 3 {
		if err := <-s.errs; !errors.Is(err, syscall.EMFILE) {
			t.Errorf("error is %v", err)
		}
	}
}

func TestHandlersThatCannotBeMadeCostOneConnection(t *testing.T) {
	first := true
	s := serve(t, listen(t), driver.ServeOptions{NewHandler: func(d *driver.Conn) core.ServerHandler {
		if first {
			first = false
			panic("no")
		}
		return &greeter{conn: d, closed: make(chan error, 1)}
	}})
	if _, err := driver.Dial(context.Background(), newLoop(t), params(t, s.Addr().String()), nil); err == nil {
		t.Error("it connected")
	}
	if err := <-s.errs; !strings.Contains(err.Error(), "panicked: no") {
		t.Errorf("error is %v", err)
	}
	roundTrip(t, dial(t, params(t, s.Addr().String()), nil))
}

func TestWrongServeOptionsAreTold(t *testing.T) {
	for name, o := range map[string]driver.ServeOptions{
		"NewHandler": {},
		"FrameMax":   {NewHandler: func(*driver.Conn) core.ServerHandler { return nil }, Server: core.ServerConfig{FrameMax: 1}},
	} {
		told := make(chan error, 1)
		o.OnError = func(err error) { told <- err }
		s := driver.Serve(newLoop(t), listen(t), o)
		<-s.Done()
		var e *core.ConfigError
		if err := <-told; !errors.As(err, &e) || e.Field != name {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAServerEndsWithItsLoop(t *testing.T) {
	loop := newLoop(t)
	loop.Close()
	errs := make(chan error, 10)
	s := driver.Serve(loop, listen(t), driver.ServeOptions{
		NewHandler: func(*driver.Conn) core.ServerHandler { return &greeter{closed: make(chan error, 1)} },
		OnError:    func(err error) { errs <- err },
	})
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	<-s.Done()
	if err := <-errs; !errors.Is(err, adapters.ErrClosed) {
		t.Errorf("told %v", err)
	}
}

// drainer is a greeter that counts how often it is drained.
type drainer struct {
	greeter
	drained chan struct{}
}

func (d *drainer) OnDrain(c *core.Conn, _ time.Time) {
	if c.IsOpen() {
		d.drained <- struct{}{}
	}
}

func TestNotifyDrainsTheHandlerOfAClient(t *testing.T) {
	drainers := make(chan *drainer, 1)
	s := serve(t, listen(t), driver.ServeOptions{NewHandler: func(d *driver.Conn) core.ServerHandler {
		h := &drainer{greeter: greeter{conn: d, closed: make(chan error, 1)}, drained: make(chan struct{}, 10)}
		drainers <- h
		return h
	}})
	conn := dial(t, params(t, s.Addr().String()), nil)
	roundTrip(t, conn)
	h := <-drainers
	h.conn.Notify()
	<-h.drained
	conn.Close()
	<-conn.Done()
}

// tracer is a greeter that sees what passes.
type tracer struct {
	*greeter
	frames chan string
}

func (t tracer) OnTrace(f *core.TraceFrame) { t.frames <- f.Method.String() }

func TestAHandlerSeesTheFramesOfItsClient(t *testing.T) {
	traced := make(chan tracer, 2)
	s := serve(t, listen(t), driver.ServeOptions{NewHandler: func(d *driver.Conn) core.ServerHandler {
		h := tracer{&greeter{conn: d, closed: make(chan error, 1)}, make(chan string, 100)}
		traced <- h
		return h
	}})
	dial(t, params(t, s.Addr().String()), nil)
	dial(t, params(t, s.Addr().String()), nil)
	for range 2 {
		h := <-traced
		for _, want := range []string{"connection.start", "connection.start-ok", "connection.tune", "connection.tune-ok", "connection.open", "connection.open-ok"} {
			if got := <-h.frames; got != want {
				t.Errorf("it sees %s instead of %s", got, want)
			}
		}
	}
}
