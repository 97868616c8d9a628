//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package broker_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/evio"
	"github.com/haypile/haypile/adapters/gnet"
	"github.com/haypile/haypile/adapters/stdnet"
	"github.com/haypile/haypile/broker"
	"github.com/haypile/haypile/broker/wirefault"
	"github.com/haypile/haypile/core/wire"
	"github.com/haypile/haypile/ioloop"
)

// onEachLoop runs a test with brokers on each adapter.
func onEachLoop(t *testing.T, test func(t *testing.T, b *broker.Broker)) {
	for name, start := range map[string]func() (adapters.Loop, error){
		"stdnet": func() (adapters.Loop, error) { return stdnet.New(), nil },
		"gnet":   func() (adapters.Loop, error) { return gnet.New() },
		"evio":   func() (adapters.Loop, error) { return evio.New() },
		"ioloop": func() (adapters.Loop, error) {
			l, err := ioloop.New()
			if err == nil {
				go l.Start()
			}
			return l, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			loop, err := start()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				loop.Close()
				<-loop.Done()
			})
			test(t, broker.RunT(t, broker.WithLoop(loop)))
		})
	}
}

// overTCP connects a client of that name over the system's network.
func overTCP(t *testing.T, b *broker.Broker, name string, opts ...blocking.Option) *blocking.Channel {
	t.Helper()
	ctx := testContext(t)
	conn, err := blocking.Dial(ctx, b.URL(), append([]blocking.Option{blocking.WithRecovery(nil), blocking.WithName(name)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(ctx) })
	ch, err := conn.Channel(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

func TestClientsWorkByteByByte(t *testing.T) {
	onEachLoop(t, func(t *testing.T, b *broker.Broker) {
		b.Wire().OnConnect(func(c *wirefault.Conn) {
			c.Split(wirefault.In, 1)
			c.Split(wirefault.Out, 1)
		})
		ch := overTCP(t, b, "slow")
		makeQueues(t, ch, "q")
		mustPublish(t, ch, "q", "hello")
		d, err := ch.Get(testContext(t), &blocking.Get{Queue: "q"})
		if err != nil || d == nil || string(d.Body) != "hello" {
			t.Errorf("got %v, %v", d, err)
		}
	})
}

func TestClientsInMemoryReachABrokerOnAnyLoop(t *testing.T) {
	onEachLoop(t, func(t *testing.T, b *broker.Broker) {
		ch := openChannel(t, b)
		makeQueues(t, ch, "q")
		mustPublish(t, ch, "q", "hello")
	})
}

func TestAStalledWireLosesNothing(t *testing.T) {
	onEachLoop(t, func(t *testing.T, b *broker.Broker) {
		ch, ctx := overTCP(t, b, "stalled"), testContext(t)
		makeQueues(t, ch, "q")
		for _, direction := range []wirefault.Direction{wirefault.In, wirefault.Out} {
			w := b.WireOf("stalled")
			w.Stall(direction)
			d, err := ch.PublishDeferred(ctx, &blocking.Publishing{RoutingKey: "q"})
			if err != nil {
				t.Fatal(err)
			}
			if direction == wirefault.Out { // it gets there
				if err := b.WaitReady(ctx, "q", 2); err != nil {
					t.Error(err)
				}
			}
			select {
			case <-d.Done():
				t.Errorf("confirmed although %s is stalled", direction)
			default:
			}
			w.Resume(direction)
			if err := d.Wait(ctx); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestAClientComesBackAfterItsWireWasCut(t *testing.T) {
	onEachLoop(t, func(t *testing.T, b *broker.Broker) {
		recovered := make(chan struct{}, 1)
		ch := overTCP(t, b, "cut", blocking.WithRecovery(&blocking.Recovery{}), blocking.WithEvents(func(e blocking.Event) {
			if _, ok := e.(blocking.Recovered); ok {
				recovered <- struct{}{}
			}
		}))
		makeQueues(t, ch, "q")
		b.WireOf("cut").CutAfter(wirefault.Out, 3) // in the middle of an answer
		err := ch.PublishConfirm(testContext(t), &blocking.Publishing{RoutingKey: "q"})
		if !errors.Is(err, blocking.ErrUnknownOutcome) {
			t.Errorf("publish: %v", err)
		}
		<-recovered
		mustPublish(t, ch, "q", "again")
	})
}

func TestACorruptByteEndsTheConnectionAlone(t *testing.T) {
	onEachLoop(t, func(t *testing.T, b *broker.Broker) {
		ch, other := overTCP(t, b, "corrupt"), overTCP(t, b, "other")
		makeQueues(t, other, "q")
		b.WireOf("corrupt").Corrupt(wirefault.In, 0, 0x40) // the type of the next frame
		_, err := ch.QueueDeclare(testContext(t), &blocking.QueueDeclare{Queue: "q", Durable: true})
		if !errors.Is(err, wire.FrameError) {
			t.Errorf("queue.declare: %v", err)
		}
		mustPublish(t, other, "q", "hello")
	})
}

func TestASilentBrokerIsFoundByHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broker.RunT(t)
		conn, err := blocking.Dial(t.Context(), memoryURL+"?heartbeat=10", blocking.WithRecovery(nil), inMemory(b), blocking.WithName("deaf"))
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		b.WireOf("deaf").Stall(wirefault.Out)
		<-conn.Done()
		if took := time.Since(begin); !errors.Is(conn.Err(), blocking.ErrHeartbeat) || took < 10*time.Second || took > 20*time.Second {
			t.Errorf("it ended after %s with %v", took, conn.Err())
		}
		conn.Close(context.Background())
	})
}
