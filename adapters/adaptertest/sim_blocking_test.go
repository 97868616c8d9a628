package adaptertest_test

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haypile/haypile/adapters/adaptertest"
	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/core"
)

// conversation has a client publish with confirms what it consumes itself.
func conversation(t *testing.T, sim *adaptertest.Sim, messages int) {
	t.Helper()
	_, in := dialBlocking(t.Context(), t, sim)
	_, err := in.QueueDeclare(t.Context(), &blocking.QueueDeclare{Queue: "jobs"})
	if err != nil {
		t.Fatal(err)
	}
	body := func(i int) []byte { return []byte(strings.Repeat(fmt.Sprint(i, " "), 100*i)) }
	go func() {
		time.Sleep(time.Minute) // behind the consumer
		for i := range messages {
			if err := in.PublishConfirm(t.Context(), &blocking.Publishing{RoutingKey: "jobs", Body: body(i)}); err != nil {
				t.Errorf("publish %d: %v", i, err)
			}
		}
	}()
	got := 0
	for d, err := range in.Consume(t.Context(), &blocking.Consume{Queue: "jobs", Prefetch: 5}) {
		if err != nil {
			t.Fatal(err)
		}
		if crc32.ChecksumIEEE(d.Body) != crc32.ChecksumIEEE(body(got)) {
			t.Errorf("message %d has %d bytes, or others than were published", got, len(d.Body))
		}
		d.Ack()
		if got++; got == messages {
			break
		}
	}
}

var rough = adaptertest.SimConfig{Latency: 20 * time.Millisecond, Jitter: 10 * time.Millisecond, MaxChunk: 300, Bandwidth: 1 << 20}

func TestBlockingPublishesAndConsumesOverARoughNetwork(t *testing.T) {
	inBubble(t, rough, func(t *testing.T, sim *adaptertest.Sim) {
		serveOn(t, sim, address)
		conversation(t, sim, 30)
	})
}

// waits makes every kind of call that waits for a broker, each in a goroutine,
// and returns their errors when all have ended.
func waits(ctx context.Context, conn *blocking.Conn, ch *blocking.Channel) func() map[string]error {
	var mu sync.Mutex
	var all sync.WaitGroup
	errs := make(map[string]error)
	wait := func(name string, f func() error) {
		all.Go(func() {
			err := f()
			mu.Lock()
			defer mu.Unlock()
			errs[name] = err
		})
	}
	wait("Channel", func() error { _, err := conn.Channel(ctx); return err })
	wait("QueueDeclare", func() error { _, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "q"}); return err })
	wait("Get", func() error { _, err := ch.Get(ctx, &blocking.Get{Queue: "q"}); return err })
	wait("PublishConfirm", func() error { return ch.PublishConfirm(ctx, &blocking.Publishing{}) })
	wait("Consume", func() (err error) {
		for _, err = range ch.Consume(ctx, &blocking.Consume{Queue: "q"}) {
		}
		return err
	})
	return func() map[string]error {
		all.Wait()
		return errs
	}
}

func TestEveryWaitOfBlockingEndsWhenTheConnectionDoes(t *testing.T) {
	lost := func(err error) bool { return errors.As(err, new(*core.TransportError)) }
	for name, end := range map[string]struct {
		by  func(sim *adaptertest.Sim, c *adaptertest.SimConn)
		why func(err error) bool
	}{
		"a reset":              {func(_ *adaptertest.Sim, c *adaptertest.SimConn) { c.Cut() }, func(err error) bool { return lost(err) && errors.Is(err, syscall.ECONNRESET) }},
		"a broker's silence":   {func(_ *adaptertest.Sim, c *adaptertest.SimConn) { c.Peer().Stall() }, func(err error) bool { return errors.Is(err, blocking.ErrHeartbeat) }},
		"the broker's end":     {func(_ *adaptertest.Sim, c *adaptertest.SimConn) { c.Peer().Close() }, lost},
		"the end of the loop":  {func(sim *adaptertest.Sim, _ *adaptertest.SimConn) { sim.Close() }, lost},
		"the broker's timeout": {func(*adaptertest.Sim, *adaptertest.SimConn) {}, lost},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, adaptertest.SimConfig{Latency: time.Millisecond}, func(t *testing.T, sim *adaptertest.Sim) {
				serveOn(t, sim, address)
				conn, ch := dialBlocking(t.Context(), t, sim)
				c := sim.Conns()[0]
				c.Stall() // nothing that we ask reaches the broker
				errs := waits(t.Context(), conn, ch)
				time.Sleep(time.Second)
				end.by(sim, c)
				for call, err := range errs() {
					if call == "Channel" {
						continue // opening one waits for nobody
					}
					if !end.why(err) {
						t.Errorf("%s: %v", call, err)
					}
				}
				<-conn.Done()
				if err := conn.Err(); !end.why(err) {
					t.Errorf("the connection ended with %v", err)
				}
				if err := ch.Publish(t.Context(), &blocking.Publishing{}); !errors.Is(err, blocking.ErrClosed) || !end.why(err) {
					t.Errorf("Publish after the end: %v", err)
				}
			})
		})
	}
}

// Contexts that end leave the connection to others, whenever they do.
func TestBlockingCallsEndWithTheirContextAtAnyTime(t *testing.T) {
	inBubble(t, adaptertest.SimConfig{Latency: 10 * time.Millisecond, MaxChunk: 20, Jitter: 5 * time.Millisecond}, func(t *testing.T, sim *adaptertest.Sim) {
		serveOn(t, sim, address)
		conn, ch := dialBlocking(t.Context(), t, sim)
		for after := time.Duration(0); after < 60*time.Millisecond; after += time.Millisecond {
			ctx, cancel := context.WithTimeout(t.Context(), after)
			errs := waits(ctx, conn, ch)()
			cancel()
			if err := errs["Get"]; err == nil {
				t.Fatal("the broker answers what it does not know")
			}
			for call, err := range errs {
				if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, blocking.ErrClosed) {
					t.Errorf("%s, given up after %s: %v", call, after, err)
				}
			}
			synctest.Wait()
			var err error
			if ch, err = conn.Channel(t.Context()); err != nil {
				t.Fatalf("after calls that were given up after %s: %v", after, err)
			}
			if _, err := ch.QueueDeclare(t.Context(), &blocking.QueueDeclare{Queue: "next"}); err != nil {
				t.Errorf("after calls that were given up after %s: %v", after, err)
			}
		}
	})
}
