package blocking

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/internal/fakebroker"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// holdPublishes connects to a broker that answers declares, with a loop that is held
// up by the first publish until release.
func holdPublishes(t *testing.T, ctx context.Context, opts ...ChannelOption) (conn *Conn, ch *Channel, release func()) {
	t.Helper()
	addr := fakebroker.Start(t, func(_ int, s *fakebroker.Session) {
		if s.Handshake() {
			published := uint32(0)
			s.Serve(func(m wire.Method, channel uint16, _ []byte) {
				switch m.(type) {
				case *wire.BasicPublish:
					published++
				case *wire.QueueDeclare:
					s.Send(channel, &wire.QueueDeclareOk{MessageCount: published})
				}
			})
		}
	})
	held := make(chan struct{})
	conn, err := Dial(ctx, "amqp://"+addr, WithParams(func(p *Params) {
		p.Client.Trace = func(f *core.TraceFrame) {
			if f.Sent && f.Type == wire.FrameMethod && f.Method == wire.BasicPublishID {
				<-held
			}
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(ctx) })
	if ch, err = conn.Channel(ctx, opts...); err != nil {
		t.Fatal(err)
	}
	return conn, ch, func() { close(held) }
}

const (
	aheadMessages = 10_000
	aheadBody     = 1 << 10
)

func TestAPublisherThatOutrunsTheLoopWaitsForIt(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, ch, release := holdPublishes(t, ctx)
	var failed atomic.Value
	published := make(chan struct{})
	go func() {
		defer close(published)
		for range aheadMessages {
			if err := ch.Publish(ctx, &Publishing{RoutingKey: "q", Body: make([]byte, aheadBody)}); err != nil {
				failed.Store(err)
				return
			}
		}
	}()
	for conn.publishers.Load() == 0 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	conn.mu.Lock()
	queued := conn.queue.size()
	conn.mu.Unlock()
	if queued > maxAhead+2*aheadBody {
		t.Errorf("%d bytes are queued while the loop is busy", queued)
	}
	release()
	<-published
	if err := failed.Load(); err != nil {
		t.Fatal(err)
	}
	reply, err := ch.QueueDeclare(ctx, &QueueDeclare{Queue: "q", Passive: true})
	if err != nil {
		t.Fatal(err)
	}
	if reply.MessageCount != aheadMessages {
		t.Errorf("%d of %d messages arrived", reply.MessageCount, aheadMessages)
	}
}

func TestABusyLoopIsNoReasonToRefuse(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, ch, release := holdPublishes(t, ctx, WithFailFast())
	defer release()
	for range aheadMessages {
		if err := ch.Publish(ctx, &Publishing{RoutingKey: "q", Body: make([]byte, aheadBody)}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAHugeBodyThatIsNotTakenYetCanBeWithdrawn(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, ch, release := holdPublishes(t, ctx)
	if err := ch.Publish(ctx, &Publishing{RoutingKey: "q"}); err != nil {
		t.Fatal(err)
	}
	for _, publish := range []func(context.Context, *Publishing) error{ch.Publish, ch.PublishConfirm} {
		short, stop := context.WithCancel(ctx)
		failed := make(chan error)
		go func() { failed <- publish(short, &Publishing{RoutingKey: "q", Body: make([]byte, hugeBody)}) }()
		for conn.publishers.Load() == 0 && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		stop()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("the context has ended: %v", err)
		}
	}
	release()
	reply, err := ch.QueueDeclare(ctx, &QueueDeclare{Queue: "q", Passive: true})
	if err != nil {
		t.Fatal(err)
	}
	if reply.MessageCount != 1 {
		t.Errorf("%d messages arrived, not the first one alone", reply.MessageCount)
	}
}
