package adaptertest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/adaptertest"
)

// inBubble runs a test with a Sim in a bubble of its own.
func inBubble(t *testing.T, cfg adaptertest.SimConfig, test func(t *testing.T, sim *adaptertest.Sim)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, adaptertest.NewSim(cfg)) })
}

func listen(t *testing.T, sim *adaptertest.Sim, address string) net.Listener {
	t.Helper()
	ln, err := sim.Listen(address)
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// connect is both ends of a new connection.
func connect(t *testing.T, sim *adaptertest.Sim) (client, server *adaptertest.SimConn) {
	t.Helper()
	ln := listen(t, sim, "host:0")
	defer ln.Close()
	conn, err := sim.DialContext(t.Context(), "tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return conn.(*adaptertest.SimConn), accepted.(*adaptertest.SimConn)
}

// near tells that d is want, but for the time that events take.
func near(d, want time.Duration) bool { return d >= want && d < want+time.Millisecond }

func TestBytesAndDialsTakeTheirLatency(t *testing.T) {
	inBubble(t, adaptertest.SimConfig{Latency: time.Minute}, func(t *testing.T, sim *adaptertest.Sim) {
		begin := time.Now()
		client, server := connect(t, sim)
		if d := time.Since(begin); !near(d, 2*time.Minute) {
			t.Errorf("dialling took %s", d)
		}
		begin = time.Now()
		client.Write([]byte("hello"))
		if d := time.Since(begin); d != 0 {
			t.Errorf("writing took %s", d)
		}
		got := make([]byte, 10)
		n, err := server.Read(got)
		if d := time.Since(begin); err != nil || string(got[:n]) != "hello" || !near(d, time.Minute) {
			t.Errorf("got %q, %v after %s", got[:n], err, d)
		}
		client.SetLatency(time.Hour, 0)
		begin = time.Now()
		client.Write([]byte("x"))
		server.Read(got)
		if d := time.Since(begin); !near(d, time.Hour) {
			t.Errorf("a byte took %s on a connection that got slower", d)
		}
	})
}

func TestSplitAndJitteredBytesArriveWholeAndInOrder(t *testing.T) {
	inBubble(t, adaptertest.SimConfig{Latency: time.Second, Jitter: time.Minute, MaxChunk: 1}, func(t *testing.T, sim *adaptertest.Sim) {
		client, server := connect(t, sim)
		var sent []byte
		for i := range 1000 {
			sent = append(sent, byte(i), byte(i>>8))
		}
		client.Write(sent)
		client.CloseWrite()
		var got []byte
		for p := make([]byte, 100); ; {
			n, err := server.Read(p)
			if n > 1 {
				t.Fatalf("%d bytes arrived at once", n)
			}
			if got = append(got, p[:n]...); err != nil {
				break
			}
		}
		if !bytes.Equal(got, sent) {
			t.Errorf("%d bytes arrived, or others than were sent", len(got))
		}
	})
}

func TestBandwidthBoundsWhatPasses(t *testing.T) {
	inBubble(t, adaptertest.SimConfig{Bandwidth: 1000}, func(t *testing.T, sim *adaptertest.Sim) {
		client, server := connect(t, sim)
		begin := time.Now()
		go client.Write(make([]byte, 3_600_000))
		if _, err := io.ReadFull(server, make([]byte, 3_600_000)); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(begin); d < time.Hour || d > time.Hour+time.Second {
			t.Errorf("an hour's bytes took %s", d)
		}
	})
}

func TestWritersWaitForReadersAndDeadlinesEndTheWait(t *testing.T) {
	inBubble(t, adaptertest.SimConfig{Window: 1000}, func(t *testing.T, sim *adaptertest.Sim) {
		client, server := connect(t, sim)
		client.SetDeadline(time.Now().Add(time.Hour))
		begin := time.Now()
		if n, err := client.Write(make([]byte, 1500)); n != 1000 || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != time.Hour {
			t.Errorf("wrote %d bytes in %s, %v", n, time.Since(begin), err)
		}
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read behind the deadline: %v", err)
		}
		client.SetDeadline(time.Time{})
		go func() {
			client.Write(make([]byte, 500))
			client.Close()
		}()
		if got, err := io.ReadAll(server); len(got) != 1500 || err != nil {
			t.Errorf("the reader got %d bytes, %v", len(got), err)
		}
	})
}

func TestStallHoldsOneDirectionAndResumeLetsItGo(t *testing.T) {
	inBubble(t, adaptertest.SimConfig{}, func(t *testing.T, sim *adaptertest.Sim) {
		client, server := connect(t, sim)
		client.Stall()
		client.Write([]byte("late"))
		client.Close()
		server.Write([]byte("x"))
		server.SetReadDeadline(time.Now().Add(24 * time.Hour))
		if n, err := server.Read(make([]byte, 10)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d bytes came from a stalled end, %v", n, err)
		}
		server.SetReadDeadline(time.Time{})
		time.AfterFunc(time.Hour, client.Resume)
		if got, err := io.ReadAll(server); string(got) != "late" || err != nil {
			t.Errorf("after Resume: %q, %v", got, err)
		}
	})
}

func TestCutBreaksBothEnds(t *testing.T) {
	inBubble(t, adaptertest.SimConfig{Latency: time.Second}, func(t *testing.T, sim *adaptertest.Sim) {
		client, server := connect(t, sim)
		client.Write([]byte("arrives"))
		time.Sleep(2 * time.Second)
		client.Write([]byte("is lost"))
		if conns := sim.Conns(); len(conns) != 1 || conns[0] != client || client.Peer() != server {
			t.Errorf("connections: %v", conns)
		}
		server.Cut()
		if got, err := io.ReadAll(server); string(got) != "arrives" || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the server read %q, %v", got, err)
		}
		var op *net.OpError
		if _, err := client.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) || !errors.As(err, &op) {
			t.Errorf("the client wrote: %v", err)
		}
		if n := len(sim.Conns()); n > 0 {
			t.Errorf("%d connections live", n)
		}
	})
}

func TestCutAfterLetsSoMuchThrough(t *testing.T) {
	for _, n := range []int{0, 1, 9, 10, 11} {
		cut := func(c *adaptertest.SimConn) { c.CutAfter(n) }
		inBubble(t, adaptertest.SimConfig{OnConnect: cut, MaxChunk: 4}, func(t *testing.T, sim *adaptertest.Sim) {
			client, server := connect(t, sim)
			client.Write(make([]byte, 10))
			client.CloseWrite()
			got, err := io.ReadAll(server)
			if reset := errors.Is(err, syscall.ECONNRESET); len(got) != min(n, 10) || reset != (n <= 10) {
				t.Errorf("cut after %d bytes: got %d, %v", n, len(got), err)
			}
		})
	}
}

func TestEndsOfAConnection(t *testing.T) {
	inBubble(t, adaptertest.SimConfig{}, func(t *testing.T, sim *adaptertest.Sim) {
		client, server := connect(t, sim)
		if client.LocalAddr().String() != server.RemoteAddr().String() || client.RemoteAddr().String() != server.LocalAddr().String() {
			t.Errorf("addresses: %v", []net.Addr{client.LocalAddr(), client.RemoteAddr(), server.LocalAddr(), server.RemoteAddr()})
		}
		client.Write([]byte("bye"))
		client.CloseWrite()
		if got, err := io.ReadAll(server); string(got) != "bye" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
		if _, err := client.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("write behind one's own end: %v", err)
		}
		server.Write([]byte("and you"))
		p := make([]byte, 10)
		if n, err := client.Read(p); string(p[:n]) != "and you" || err != nil {
			t.Errorf("the other way: %q, %v", p[:n], err)
		}

		var read sync.WaitGroup
		read.Go(func() {
			if _, err := client.Read(p); !errors.Is(err, net.ErrClosed) {
				t.Errorf("read that waits while we close: %v", err)
			}
		})
		synctest.Wait()
		client.Close()
		read.Wait()
		if err := client.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("closing twice: %v", err)
		}
		server.Write([]byte("anybody there?"))
		synctest.Wait()
		time.Sleep(time.Second)
		if _, err := server.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("writing to nobody: %v", err)
		}
	})
}

func TestDialsMayBeRefusedSwallowedAndAllowed(t *testing.T) {
	inBubble(t, adaptertest.SimConfig{}, func(t *testing.T, sim *adaptertest.Sim) {
		dial := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err := sim.DialContext(ctx, "tcp", "rabbit:5672")
			return err
		}
		if err := dial(); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("where nobody listens: %v", err)
		}
		ln := listen(t, sim, "rabbit:5672")
		if _, err := sim.Listen("rabbit:5672"); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("a second listener: %v", err)
		}
		sim.Refuse("rabbit:5672")
		if err := dial(); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("refused: %v", err)
		}
		sim.Swallow("rabbit:5672")
		if err := dial(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("swallowed: %v", err)
		}
		sim.Allow("rabbit:5672")
		if err := dial(); err != nil {
			t.Errorf("allowed: %v", err)
		}
		ln.Close()
		if err := dial(); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("after the listener's end: %v", err)
		}
		if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept after the end: %v", err)
		}
		if n := len(sim.Conns()); n > 0 {
			t.Errorf("%d connections that nobody accepted live", n)
		}
	})
}

func TestDialThatIsGivenUpLeavesNothing(t *testing.T) {
	for after := time.Duration(0); after < 5*time.Second; after += 250 * time.Millisecond {
		inBubble(t, adaptertest.SimConfig{Latency: 2 * time.Second}, func(t *testing.T, sim *adaptertest.Sim) {
			defer listen(t, sim, "rabbit:5672").Close()
			ctx, cancel := context.WithTimeout(t.Context(), after)
			defer cancel()
			conn, err := sim.DialContext(ctx, "tcp", "rabbit:5672")
			if err == nil {
				conn.Close()
			} else if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("given up after %s: %v", after, err)
			}
			time.Sleep(time.Minute)
			for _, c := range sim.Conns() {
				if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
					t.Errorf("given up after %s: the connection is open, %v", after, err)
				}
			}
		})
	}
}

// idle is a handler that does nothing.
type idle struct{ ended chan error }

func (*idle) OnOpen(adapters.Transport, time.Time) {}
func (*idle) OnData([]byte, time.Time)             {}
func (*idle) OnWake(time.Time)                     {}
func (h *idle) OnClose(err error, _ time.Time)     { h.ended <- err }

func TestAttachTakesItsOwnConnectionsOnce(t *testing.T) {
	inBubble(t, adaptertest.SimConfig{}, func(t *testing.T, sim *adaptertest.Sim) {
		foreign, _ := net.Pipe()
		other, _ := connect(t, adaptertest.NewSim(adaptertest.SimConfig{}))
		for _, conn := range []net.Conn{foreign, other} {
			if err := sim.Attach(conn, &idle{}); !errors.Is(err, adapters.ErrNotPollable) {
				t.Errorf("%T: %v", conn, err)
			}
		}
		if _, err := other.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a connection that was refused is open: %v", err)
		}
		for _, conn := range []net.Conn{nil, (*adaptertest.SimConn)(nil)} {
			if err := sim.Attach(conn, &idle{}); err == nil {
				t.Error("nothing is attached")
			}
		}
		conn, _ := connect(t, sim)
		h := &idle{make(chan error, 1)}
		if err := sim.Attach(conn, h); err != nil {
			t.Fatal(err)
		}
		if err := sim.Attach(conn, &idle{}); err == nil {
			t.Error("attached twice")
		}
		if err := <-h.ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("the second Attach closed the connection, which ended with %v", err)
		}
		without, _ := connect(t, sim)
		if err := sim.Attach(without, nil); err == nil {
			t.Error("a nil handler is attached")
		}
	})
}
