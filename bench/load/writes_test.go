package main

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/bench/internal/loops"
)

// slowConn counts writes, and holds the first after arm up until release.
type slowConn struct {
	net.Conn
	armed   atomic.Bool
	release chan struct{}
	writes  atomic.Int32
}

func (c *slowConn) Write(p []byte) (int, error) {
	if c.writes.Add(1); c.armed.Swap(false) {
		<-c.release
	}
	return c.Conn.Write(p)
}

// arm has the next write wait, and counts from there.
func (c *slowConn) arm() {
	c.writes.Store(0)
	c.armed.Store(true)
}

// openSlowly connects to a sink through a slowConn.
func openSlowly(t *testing.T, ctx context.Context) (*slowConn, *blocking.Channel) {
	t.Helper()
	url, stop, err := startSink(ctx, &job{mode: modePublish, timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	slow := &slowConn{release: make(chan struct{})}
	conn, err := blocking.Dial(ctx, url, blocking.WithParams(func(p *blocking.Params) {
		p.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, address)
			slow.Conn = c
			return slow, err
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(ctx) })
	ch, err := conn.Channel(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return slow, ch
}

// What was said while a write was under way goes in a few more.
const (
	messages = 1000
	fewest   = 5
)

// awaitHanded waits until the client has handed all to the transport, whose write is
// under way: how many turns of its loop that takes is the scheduler's to say.
func awaitHanded(t *testing.T, ctx context.Context, handed func() bool) {
	t.Helper()
	for ; !handed(); time.Sleep(time.Millisecond) {
		if ctx.Err() != nil {
			t.Fatal("not all is on its way")
		}
	}
}

func TestPublishesShareWrites(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	slow, ch := openSlowly(t, ctx)
	slow.arm()
	p := &blocking.Publishing{RoutingKey: "q", Body: make([]byte, 64)}
	for range messages {
		if err := ch.Publish(ctx, p); err != nil {
			t.Fatal(err)
		}
	}
	awaitHanded(t, ctx, func() bool { return ch.Conn().Stats().Published == messages })
	close(slow.release)
	reply, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "q", Passive: true})
	if err != nil {
		t.Fatal(err)
	}
	if reply.MessageCount != messages {
		t.Errorf("%d of %d messages arrived", reply.MessageCount, messages)
	}
	if got := slow.writes.Load(); got > fewest {
		t.Errorf("%d writes for %d publishes", got, messages)
	}
}

func TestAcksShareWrites(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	slow, ch := openSlowly(t, ctx)
	got := 0
	for d, err := range ch.Consume(ctx, &blocking.Consume{Queue: "1000x64", Prefetch: messages}) {
		if err != nil {
			t.Fatal(err)
		}
		if got++; got == 1 {
			slow.arm()
		}
		if err := d.Ack(); err != nil {
			t.Fatal(err)
		}
		if got == messages {
			awaitHanded(t, ctx, func() bool { return ch.Conn().Stats().Acked == messages })
			close(slow.release)
			break
		}
	}
	reply, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "q", Passive: true})
	if err != nil {
		t.Fatal(err)
	}
	if reply.ConsumerCount != messages {
		t.Errorf("acks for %d of %d messages arrived", reply.ConsumerCount, messages)
	}
	if got := slow.writes.Load(); got > fewest {
		t.Errorf("%d writes for %d acks", got, messages)
	}
}

// Of callbacks the writes are the same whenever they come, but for how much the
// kernel takes of one.
func TestCallbacksShareWrites(t *testing.T) {
	const most = 0.02 // a message
	for _, mode := range []string{modePublish, modeProps, modeConfirm, modeAck, modeMulti} {
		for _, adapter := range loops.Names {
			t.Run(mode+" on "+adapter, func(t *testing.T) {
				r, err := run(t, "-api callback -n 20000 -mode "+mode+" -adapter "+adapter)
				if err != nil {
					t.Fatal(err)
				}
				if got := r.writes(); got > most {
					t.Errorf("%.4f writes a message, want at most %v", got, most)
				}
			})
		}
	}
}
