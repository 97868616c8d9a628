package adaptertest_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/adaptertest"
	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/adapters/internal/fakebroker"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

func TestDriverDialsOverDeadEndpoints(t *testing.T) {
	inBubble(t, adaptertest.SimConfig{Latency: time.Millisecond}, func(t *testing.T, sim *adaptertest.Sim) {
		fakebroker.Serve(t, listen(t, sim, "silent:5672"), func(_ int, s *fakebroker.Session) { io.Copy(io.Discard, s) })
		sim.Swallow("swallowed:5672")
		p := params(t, sim, "refused,swallowed,silent,"+address)
		p.Attempts, p.RetryDelay, p.MaxRetryDelay = 3, time.Hour, time.Hour

		begin := time.Now()
		_, err := driver.Dial(t.Context(), sim, p, nil)
		var e *driver.DialError
		if !errors.As(err, &e) {
			t.Fatal(err)
		}
		var phases []driver.Phase
		for _, a := range e.Attempts {
			phases = append(phases, a.Phase)
		}
		cycle := []driver.Phase{driver.PhaseDial, driver.PhaseDial, driver.PhaseHandshake, driver.PhaseDial}
		if want := slices.Repeat(cycle, 3); !slices.Equal(phases, want) {
			t.Errorf("phases: %v", phases)
		}
		for _, cause := range []error{syscall.ECONNREFUSED, context.DeadlineExceeded, core.ErrHandshakeTimeout} {
			if !errors.Is(err, cause) {
				t.Errorf("%v is missing in %v", cause, err)
			}
		}
		// Three cycles of 10 s for the swallowed and 15 s for the silent one, and
		// two pauses of half an hour to an hour.
		if d := time.Since(begin); d < time.Hour+75*time.Second || d > 2*time.Hour+76*time.Second {
			t.Errorf("it took %s", d)
		}

		time.AfterFunc(90*time.Minute, func() { serveOn(t, sim, address) })
		p.Attempts = driver.Unlimited
		conn, err := driver.Dial(t.Context(), sim, p, nil)
		if err != nil {
			t.Fatal(err)
		}
		closeAndCheck(t, conn)
	})
}

func closeAndCheck(t *testing.T, conn *driver.Conn) {
	t.Helper()
	conn.Close()
	<-conn.Done()
	if err := conn.Err(); err != nil {
		t.Errorf("ended with %v", err)
	}
}

func TestDriverKeepsIdleConnectionsByHeartbeats(t *testing.T) {
	inBubble(t, adaptertest.SimConfig{Latency: 50 * time.Millisecond}, func(t *testing.T, sim *adaptertest.Sim) {
		serveOn(t, sim, address)
		conn, err := driver.Dial(t.Context(), sim, params(t, sim, address+"?heartbeat=30"), nil)
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-conn.Done():
			t.Fatalf("ended with %v", conn.Err())
		case <-time.After(24 * time.Hour):
		}
		closeAndCheck(t, conn)
	})
}

// Heartbeats of connections that were opened at different times leave together, none
// of them later than it must.
func TestDriverSendsTheHeartbeatsOfManyTogether(t *testing.T) {
	const n, interval = 20, 10 * time.Second
	var beats, moments int
	var latest time.Duration
	last := map[int]time.Duration{} // when each wrote
	trace := func(e adaptertest.SimEvent) {
		if e.Server || e.What != "sends" {
			return
		}
		before, begun := last[e.Conn] // with the protocol's header, which is as short
		if last[e.Conn] = e.Time; begun && e.Bytes == len(wire.HeartbeatFrame) {
			if gap := e.Time - before; gap < interval/2-core.HeartbeatLead || gap > interval/2+time.Millisecond {
				t.Errorf("a heartbeat %v after the last write", gap)
			}
			if beats++; e.Time > latest+time.Millisecond {
				moments++
			}
			latest = e.Time
		}
	}
	inBubble(t, adaptertest.SimConfig{Trace: trace}, func(t *testing.T, sim *adaptertest.Sim) {
		serveOn(t, sim, address)
		for range n {
			conn, err := driver.Dial(t.Context(), sim, params(t, sim, address+"?heartbeat=10"), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer closeAndCheck(t, conn)
			time.Sleep(core.HeartbeatLead / n)
		}
		time.Sleep(10 * interval)
	})
	if rounds := beats / n; rounds < 20 || moments > 2*rounds {
		t.Errorf("%d heartbeats left at %d moments", beats, moments)
	}
}

func TestDriverEndsConnectionsThatFallSilent(t *testing.T) {
	for name, stall := range map[string]func(c *adaptertest.SimConn){
		"from the broker": func(c *adaptertest.SimConn) { c.Peer().Stall() },
		"both ways":       func(c *adaptertest.SimConn) { c.Peer().Stall(); c.Stall() },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, adaptertest.SimConfig{}, func(t *testing.T, sim *adaptertest.Sim) {
				serveOn(t, sim, address)
				conn, err := driver.Dial(t.Context(), sim, params(t, sim, address+"?heartbeat=30"), nil)
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Minute)
				begin := time.Now()
				stall(sim.Conns()[0])
				<-conn.Done()
				if err := conn.Err(); !errors.Is(err, core.ErrHeartbeat) {
					t.Errorf("ended with %v", err)
				}
				if d := time.Since(begin); d > 36*time.Second {
					t.Errorf("it took %s", d)
				}
			})
		})
	}
}

// A connection that breaks at any byte of the handshake, either way, is a failed
// attempt, and nothing is left of it.
func TestDriverSurvivesACutAtEveryByteOfTheHandshake(t *testing.T) {
	for name, end := range map[string]func(c *adaptertest.SimConn) *adaptertest.SimConn{
		"of the client": func(c *adaptertest.SimConn) *adaptertest.SimConn { return c },
		"of the broker": (*adaptertest.SimConn).Peer,
	} {
		t.Run(name, func(t *testing.T) {
			opened := false
			for n := 0; !opened; n++ {
				cut := func(c *adaptertest.SimConn) { end(c).CutAfter(n) }
				inBubble(t, adaptertest.SimConfig{OnConnect: cut}, func(t *testing.T, sim *adaptertest.Sim) {
					serveOn(t, sim, address)
					conn, err := driver.Dial(t.Context(), sim, params(t, sim, address), nil)
					if err == nil {
						opened = true
						conn.Abort()
						<-conn.Done()
						return
					}
					if !errors.Is(err, syscall.ECONNRESET) {
						t.Errorf("cut after %d bytes: %v", n, err)
					}
				})
			}
		})
	}
}

// A context may end at any time of an attempt.
func TestDriverGivesUpAtAnyTime(t *testing.T) {
	const latency = 10 * time.Millisecond
	opened := false
	for after := time.Duration(0); !opened; after += latency / 4 {
		inBubble(t, adaptertest.SimConfig{Latency: latency, MaxChunk: 50, Jitter: latency}, func(t *testing.T, sim *adaptertest.Sim) {
			serveOn(t, sim, address)
			ctx, cancel := context.WithTimeout(t.Context(), after)
			defer cancel()
			conn, err := driver.Dial(ctx, sim, params(t, sim, address), nil)
			if opened = err == nil; opened {
				closeAndCheck(t, conn)
			} else if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("given up after %s: %v", after, err)
			}
			time.Sleep(time.Minute)
			if n := len(sim.Conns()); n > 0 {
				t.Errorf("given up after %s: %d connections left", after, n)
			}
		})
	}
}
