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
	wait("Channel", func() error {
		ch, err := conn.Channel(ctx)
		if err == nil {
			_ = ch.Close(ctx) // which has been asked for, however long the answer takes
		}
		return err
	})
	wait("QueueDeclare", func() error { _, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "q"}); return err })
	wait("Get", func() error { _, err := ch.Get(ctx, &blocking.Get{Queue: "q"}); return err })
	wait("PublishConfirm", func() error { return ch.PublishConfirm(ctx, &blocking.Publishing{}) })
	wait("PublishDeferred", func() error {
		d, err := ch.PublishDeferred(ctx, &blocking.Publishing{})
		if err != nil {
			return err
		}
		return d.Wait(ctx)
	})
	wait("Consume", func() (err error) {
		for _, err = range ch.Consume(ctx, &blocking.Consume{Queue: "q"}) {
		}
		return err
	})
	wait("ConsumeBatches", func() (err error) {
		for _, err = range ch.ConsumeBatches(ctx, &blocking.Consume{Queue: "q"}, 10, time.Millisecond) {
		}
		return err
	})
	wait("Call", func() error {
		caller, err := conn.Caller(ctx)
		if err != nil {
			return err
		}
		defer caller.Close(ctx)
		_, err = caller.Call(ctx, &blocking.Publishing{})
		return err
	})
	wait("Declare", func() error {
		return conn.Declare(ctx, &blocking.Topology{Queues: []blocking.QueueDeclare{{Queue: "declared"}}})
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

// mute is a broker that confirms nothing.
type mute struct{ shop }

func (m *mute) OnChannel(*core.Conn, *core.Channel) core.ServerChannelHandler {
	return &silent{counter{shop: &m.shop}}
}

type silent struct{ counter }

func (*silent) OnPublish(*core.Channel, *core.Published) {}

// In a bubble, time stands still while a goroutine has something to do.
func TestAPublishThatWaitsForWhatIsKeptDoesNothingMeanwhile(t *testing.T) {
	inBubble(t, adaptertest.SimConfig{}, func(t *testing.T, sim *adaptertest.Sim) {
		serveBy(t, sim, address, func() core.ServerHandler { return &mute{} })
		_, ch := dialBlocking(t.Context(), t, sim, blocking.WithRecovery(&blocking.Recovery{Republish: true}),
			blocking.WithParams(func(p *blocking.Params) { p.Client.MaxBuffered = 1000 }))
		if _, err := ch.PublishDeferred(t.Context(), &blocking.Publishing{Body: make([]byte, 1000)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // it has been sent
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := ch.PublishDeferred(ctx, &blocking.Publishing{Body: make([]byte, 1000)}); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

func TestPublishesOfLargeBodiesWaitForThoseBeforeThem(t *testing.T) {
	inBubble(t, adaptertest.SimConfig{}, func(t *testing.T, sim *adaptertest.Sim) {
		serveOn(t, sim, address)
		conn, ch := dialBlocking(t.Context(), t, sim)
		end := sim.Conns()[0]
		end.Stall()
		publish := func(most, size int) (n int, err error) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			for ; n < most && err == nil; n++ {
				err = ch.Publish(ctx, &blocking.Publishing{RoutingKey: "nobody", Body: make([]byte, size)})
			}
			return n, err
		}
		const size = 64 << 10
		n, err := publish(1000, size)
		if waiting := conn.Stats().Buffered; !errors.Is(err, context.DeadlineExceeded) || waiting < 256<<10 || waiting > 256<<10+2*size {
			t.Errorf("%d bytes wait after %d publishes; the last: %v", waiting, n, err)
		}
		if n, err := publish(1000, 15<<10); err != nil {
			t.Errorf("small publish %d: %v", n, err)
		}
		end.Resume()
		if n, err := publish(1000, size); err != nil {
			t.Errorf("publish %d after the broker read on: %v", n, err)
		}
	})
}
