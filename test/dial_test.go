package test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/core"
)

// fails dials and returns the error, which must be a *DialError.
func fails(t *testing.T, uri string, opts ...blocking.Option) *blocking.DialError {
	t.Helper()
	checkLeaks(t)
	conn, err := blocking.Dial(testContext(t), uri, append([]blocking.Option{blocking.WithLoop(newLoop(t)), blocking.WithParams(patient)}, opts...)...)
	if err == nil {
		conn.Close(context.Background())
		t.Fatal("it connected")
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error has the password: %v", err)
	}
	var e *blocking.DialError
	if !errors.As(err, &e) {
		t.Fatalf("error is a %T: %v", err, err)
	}
	return e
}

// as finds the error type in err or fails the test.
func as[E error](t *testing.T, err error) (e E) {
	t.Helper()
	if !errors.As(err, &e) {
		t.Fatalf("no %T in %v", e, err)
	}
	return e
}

// broker is the address of the shared broker.
func broker(t *testing.T) string { return host(t, brokerURL(t)) }

// plainBroker is broker without TLS in every run.
func plainBroker(t *testing.T) string { return host(t, plainURL(t)) }

func host(t *testing.T, uri string) string {
	t.Helper()
	u, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// reach is brokerURL with another user and password, and other hosts.
func reach(t *testing.T, user *url.Userinfo, hosts string) string {
	t.Helper()
	u, err := url.Parse(brokerURL(t))
	if err != nil {
		t.Fatal(err)
	}
	if user != nil {
		u.User = user
	}
	u.Host = hosts
	return u.String()
}

func TestWrongPasswordIsTheBrokersRefusal(t *testing.T) {
	err := fails(t, with(reach(t, url.UserPassword("guest", "hunter2"), broker(t)), "attempts=3"))
	want(t, err, broker(t), "ACCESS_REFUSED", "authentication")
	if e := as[*blocking.Error](t, err); !e.Remote || e.Code != blocking.AccessRefused || !errors.Is(err, blocking.AccessRefused) {
		t.Errorf("error is %#v", e)
	}
	if len(err.Attempts) != 1 {
		t.Errorf("%d attempts with credentials that were refused", len(err.Attempts))
	}
}

func TestUnknownVirtualHostIsTheBrokersRefusal(t *testing.T) {
	u, _ := url.Parse(brokerURL(t))
	u.Path = "/nowhere"
	err := fails(t, u.String())
	want(t, err, broker(t), "virtual host", "nowhere")
	if !errors.Is(err, blocking.NotAllowed) {
		t.Errorf("no 530 in %v", err)
	}
}

// closedPort is an address at which nothing listens: a connection has it as its own
// until the end of the test, so that nobody else is given it.
func closedPort(t *testing.T) string {
	conn, err := net.Dial("tcp", serve(t, func(c net.Conn) { io.Copy(io.Discard, c) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.LocalAddr().String()
}

func TestRefusedConnectionNamesAddressAndPhase(t *testing.T) {
	addr := closedPort(t)
	err := fails(t, reach(t, url.UserPassword("guest", "hunter2"), addr))
	want(t, err, addr, "dialling", "refused")
	if !errors.Is(err, syscall.ECONNREFUSED) || err.Attempts[0].Phase != driver.PhaseDial {
		t.Errorf("attempts are %v", err.Attempts)
	}
}

func TestTheNextEndpointIsTriedAfterEveryFailure(t *testing.T) {
	var order []string
	silent := serve(t, func(net.Conn) {})
	conn := dialURL(t, reach(t, nil, "nowhere.invalid,"+closedPort(t)+","+silent+","+relay(t, broker(t), 100)+","+broker(t)),
		blocking.WithParams(func(p *blocking.Params) {
			p.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				order = append(order, address)
				return new(net.Dialer).DialContext(ctx, network, address)
			}
		}))
	if err := channel(t, conn).Close(testContext(t)); err != nil {
		t.Error(err)
	}
	if len(order) != 5 || order[4] != broker(t) {
		t.Errorf("dialled %v", order)
	}
}

func TestHTTPServerIsTold(t *testing.T) {
	addr := serve(t, func(c net.Conn) {
		c.Read(make([]byte, 64))
		io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
	})
	err := fails(t, "amqp://"+addr+"/")
	want(t, err, addr, "not an AMQP server", "HTTP/1.1 400")
	as[*core.NotAMQPError](t, err)
}

// serve accepts connections and gives each to f, until the test ends.
func serve(t *testing.T, f func(net.Conn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				f(conn)
			}()
		}
	}()
	return l.Addr().String()
}

func TestSilentServerEndsInTheHandshakeDeadline(t *testing.T) {
	addr := serve(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	err := fails(t, "amqp://"+addr+"/", blocking.WithParams(func(p *blocking.Params) { p.Client.HandshakeTimeout = 300 * time.Millisecond }))
	want(t, err, addr, "connection.start", "timed out")
	if !errors.Is(err, core.ErrHandshakeTimeout) {
		t.Errorf("error is %v", err)
	}
}

func TestContextEndsDialling(t *testing.T) {
	checkLeaks(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	addr := serve(t, func(c net.Conn) {
		cancel() // not before there is an address to name
		io.Copy(io.Discard, c)
	})
	_, err := blocking.Dial(ctx, "amqp://"+addr+"/", blocking.WithLoop(newLoop(t)))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	want(t, err, addr)
}

// relay passes bytes between the client and the broker's listener and cuts both
// off when the broker has sent limit bytes.
func relay(t *testing.T, to string, limit int64) (addr string) {
	return serve(t, func(client net.Conn) {
		server, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		defer server.Close()
		go io.Copy(server, client)
		io.CopyN(client, server, limit)
	})
}

// Where to cut is known of plain connections alone.
func TestCutInTheHandshakeNamesHostAndPhase(t *testing.T) {
	// connection.start is some 500 bytes long, tune and what follows 20 each.
	for limit, phase := range map[int64]string{100: "connection.start", 20 + startSize(t): "connection.open-ok"} {
		t.Run(phase, func(t *testing.T) {
			addr := relay(t, plainBroker(t), limit)
			err := fails(t, "amqp://guest:guest@"+addr+"/")
			want(t, err, addr, phase)
			as[*blocking.TransportError](t, err)
		})
	}
}

// startSize is how many bytes the broker's connection.start takes.
func startSize(t *testing.T) int64 {
	conn, err := net.Dial("tcp", plainBroker(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "AMQP\x00\x00\x09\x01")
	conn.SetReadDeadline(time.Now().Add(bound))
	header := make([]byte, 7)
	if _, err := io.ReadFull(conn, header); err != nil {
		t.Fatal(err)
	}
	return 8 + int64(header[4])<<16 + int64(header[5])<<8 + int64(header[6])
}

func TestCutInADeliveryEndsEverythingWithTheCause(t *testing.T) {
	addr := relay(t, broker(t), startSize(t)+50_000)
	conn := dialURL(t, reach(t, nil, addr))
	ch := channel(t, conn)
	q := queue(t, ch)
	ctx := testContext(t)
	if err := ch.Publish(ctx, &blocking.Publishing{RoutingKey: q, Body: make([]byte, 200_000)}); err != nil {
		t.Fatal(err)
	}
	for d, err := range ch.Consume(ctx, &blocking.Consume{Queue: q}) {
		if err == nil {
			t.Fatalf("a delivery of %d bytes came through", len(d.Body))
		}
		if !errors.Is(err, blocking.ErrClosed) {
			t.Errorf("consuming ended with %v", err)
		}
		want(t, err, addr)
	}
	<-conn.Done()
	if e := as[*blocking.TransportError](t, conn.Err()); !errors.Is(e, io.EOF) && !errors.Is(e, syscall.ECONNRESET) {
		t.Errorf("connection ended with %v", e)
	}
	if err := ch.Publish(ctx, &blocking.Publishing{}); !errors.Is(err, blocking.ErrClosed) || !errors.Is(err, net.ErrClosed) {
		t.Errorf("publishing on what has ended: %v", err)
	}
}

func TestFailedDialLeavesNoSocket(t *testing.T) {
	loop, addr := newLoop(t), broker(t)
	cut := relay(t, addr, 100)
	before := sockets(t)
	for _, uri := range []string{reach(t, url.UserPassword("guest", "hunter2"), addr), reach(t, nil, cut)} {
		if _, err := blocking.Dial(testContext(t), uri, blocking.WithLoop(loop)); err == nil {
			t.Error("it connected")
		}
	}
	eventually(t, "sockets closed", func() bool { return sockets(t) <= before })
}

// sockets counts the open sockets of this process; 0 where it cannot.
func sockets(t *testing.T) (n int) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Log(err)
	}
	for _, e := range entries {
		if to, _ := os.Readlink("/proc/self/fd/" + e.Name()); strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}
