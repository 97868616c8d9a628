//go:build unix

package driver_test

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/ioloop"
)

// newPolling is a loop that takes sockets alone, so that the driver bridges all
// else; it is checked for leaks at the test's end.
func newPolling(t *testing.T) adapters.Loop {
	t.Helper()
	before := runtime.NumGoroutine()
	loop, err := ioloop.New()
	if err != nil {
		t.Fatal(err)
	}
	go loop.Start()
	t.Cleanup(func() {
		loop.Close()
		<-loop.Done()
		eventually(t, "goroutines gone", func() bool { return runtime.NumGoroutine() <= before })
	})
	return loop
}

func TestBridgesLetGoOfAPeerThatDoesNothing(t *testing.T) {
	loop := newPolling(t)
	ours, peer := net.Pipe() // in which nothing moves that nobody reads
	p := params(t, "nobody:1")
	ctx, cancel := context.WithCancel(context.Background())
	p.DialContext = func(context.Context, string, string) (net.Conn, error) {
		time.AfterFunc(50*time.Millisecond, cancel) // not before: nobody would have the connection
		return ours, nil
	}
	if _, err := driver.Dial(ctx, loop, p, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("dial: %v", err)
	}
	if _, err := io.ReadAll(peer); err != nil { // an end
		t.Errorf("the peer: %v", err)
	}
}

// failing is a connection that fails in a way of its own.
type failing struct {
	net.Conn
	err error
}

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestBridgesTellWhyTheConnectionFailed(t *testing.T) {
	loop := newPolling(t)
	ours, peer := net.Pipe()
	defer peer.Close()
	broken := errors.New("the tunnel has collapsed")
	p := params(t, "nobody:1")
	p.DialContext = func(context.Context, string, string) (net.Conn, error) { return failing{ours, broken}, nil }
	if _, err := driver.Dial(context.Background(), loop, p, nil); !errors.Is(err, broken) {
		t.Errorf("dial: %v", err)
	}
}
