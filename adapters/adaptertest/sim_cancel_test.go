package adaptertest_test

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haypile/haypile/adapters/adaptertest"
	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/core"
)

// checkOrder has one goroutine publish numbers and another one consume them, for
// as long as the test's context lives: some may get lost with a connection, none
// overtakes another.
func checkOrder(ctx context.Context, t *testing.T, ch *blocking.Channel) {
	t.Helper()
	go func() {
		for i := uint32(0); ctx.Err() == nil; i++ {
			p := &blocking.Publishing{RoutingKey: "order", Body: binary.BigEndian.AppendUint32(nil, i)}
			if err := ch.Publish(ctx, p); err != nil && ctx.Err() == nil {
				t.Errorf("Publish: %v", err)
				return
			}
			time.Sleep(7 * time.Millisecond)
		}
	}()
	go func() {
		next := uint32(0)
		for d, err := range ch.Consume(ctx, &blocking.Consume{Queue: "order"}) {
			if err != nil {
				if ctx.Err() == nil {
					t.Errorf("Consume: %v", err)
				}
				return
			}
			d.Ack() // one that is stale needs none
			if d.RoutingKey != "order" {
				continue
			}
			i := binary.BigEndian.Uint32(d.Body)
			if i < next {
				t.Errorf("message %d came behind %d", i, next-1)
			}
			next = i + 1
		}
	}()
}

// Contexts that end leave the channel and the connection to others, whenever they
// do, also while the connection is lost and comes back, or the channel is closed
// and opened again.
func TestBlockingCallsEndWithTheirContextAtAnyTime(t *testing.T) {
	for name, test := range map[string]struct {
		span, step, cut time.Duration
		mistake         bool // ends the channel, in the place of the connection
	}{
		"on a connection that lives":           {span: 100 * time.Millisecond, step: 2 * time.Millisecond},
		"on a connection that is lost early":   {span: 200 * time.Millisecond, step: 4 * time.Millisecond, cut: 5 * time.Millisecond},
		"on a connection that is lost between": {span: 200 * time.Millisecond, step: 4 * time.Millisecond, cut: 25 * time.Millisecond},
		"on a channel that is closed early":    {span: 200 * time.Millisecond, step: 4 * time.Millisecond, cut: 5 * time.Millisecond, mistake: true},
		"on a channel that is closed between":  {span: 200 * time.Millisecond, step: 4 * time.Millisecond, cut: 25 * time.Millisecond, mistake: true},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, adaptertest.SimConfig{Latency: 10 * time.Millisecond, MaxChunk: 20, Jitter: 5 * time.Millisecond}, func(t *testing.T, sim *adaptertest.Sim) {
				var now *shop // of the latest connection
				serveBy(t, sim, address, func() core.ServerHandler {
					now = &shop{}
					return now
				})
				conn, ch := dialBlocking(t.Context(), t, sim, blocking.WithRecovery(&blocking.Recovery{ReopenChannels: true}),
					blocking.WithParams(func(p *blocking.Params) { p.RetryDelay, p.MaxRetryDelay = time.Millisecond, time.Millisecond }))
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				checkOrder(ctx, t, ch)
				end := func() {
					for _, c := range sim.Conns() {
						c.Cut()
					}
				}
				if test.mistake {
					end = func() {
						if _, err := ch.QueueDeclare(t.Context(), &blocking.QueueDeclare{Queue: mistake}); err == nil {
							t.Error("the mistake went unnoticed")
						}
					}
				}
				for after := time.Duration(0); after < test.span; after += test.step {
					giveUp(t, conn, ch, after, test.cut, end)
					if now.channels != 1 || len(now.consumers) != 1 {
						t.Fatalf("calls that were given up after %s left %d channels and %d consumers, want one of each", after, now.channels, len(now.consumers))
					}
				}
			})
		})
	}
}

// giveUp makes all calls, gives them up after a while, and waits until the channel
// has done all that was left to do. Something comes to its end at cut, if that is
// not 0.
func giveUp(t *testing.T, conn *blocking.Conn, ch *blocking.Channel, after, cut time.Duration, end func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), after)
	defer cancel()
	if cut > 0 {
		time.AfterFunc(cut, end)
	}
	for call, err := range waits(ctx, conn, ch)() {
		if err != nil && !errors.Is(err, context.DeadlineExceeded) && (cut == 0 || !errors.Is(err, blocking.ErrUnknownOutcome) && !errors.Is(err, blocking.NotFound)) {
			t.Errorf("%s, given up after %s: %v", call, after, err)
		}
	}
	time.Sleep(500 * time.Millisecond) // and be back
	ok, err := ch.QueueDeclare(t.Context(), &blocking.QueueDeclare{Queue: after.String()})
	if err != nil || ok.Queue != after.String() {
		t.Fatalf("after calls that were given up after %s: %v, %v", after, ok, err)
	}
	if err := ch.PublishConfirm(t.Context(), &blocking.Publishing{}); err != nil {
		t.Fatalf("after calls that were given up after %s: %v", after, err)
	}
	synctest.Wait()
}

// The same by WithRPCTimeout, whose calls have contexts without end.
func TestBlockingCallsEndWithTheRPCTimeoutAtAnyTime(t *testing.T) {
	for patience := time.Millisecond; patience < 100*time.Millisecond; patience += 3 * time.Millisecond {
		inBubble(t, adaptertest.SimConfig{Latency: 10 * time.Millisecond, MaxChunk: 20, Jitter: 5 * time.Millisecond}, func(t *testing.T, sim *adaptertest.Sim) {
			var now *shop
			serveBy(t, sim, address, func() core.ServerHandler {
				now = &shop{}
				return now
			})
			_, ch := dialBlocking(t.Context(), t, sim, blocking.WithRPCTimeout(patience))
			var calls sync.WaitGroup
			check := func(err error) {
				if err != nil && !errors.Is(err, blocking.ErrRPCTimeout) {
					t.Errorf("given up after %s: %v", patience, err)
				}
			}
			calls.Go(func() {
				_, err := ch.QueueDeclare(t.Context(), &blocking.QueueDeclare{Queue: "q"})
				check(err)
			})
			calls.Go(func() {
				_, err := ch.Get(t.Context(), &blocking.Get{Queue: "q"})
				check(err)
			})
			calls.Go(func() {
				for _, err := range ch.Consume(t.Context(), &blocking.Consume{Queue: "q", Inactivity: time.Millisecond}) {
					if err != blocking.ErrInactive {
						check(err)
					}
					break
				}
			})
			calls.Wait()
			time.Sleep(500 * time.Millisecond)
			if err := ch.PublishConfirm(t.Context(), &blocking.Publishing{}); err != nil {
				t.Errorf("after calls that were given up after %s: %v", patience, err)
			}
			synctest.Wait()
			if now.channels != 1 || len(now.consumers) != 0 {
				t.Errorf("calls that were given up after %s left %d channels and %d consumers", patience, now.channels, len(now.consumers))
			}
		})
	}
}
