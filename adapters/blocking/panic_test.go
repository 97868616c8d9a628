package blocking_test

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/internal/fakebroker"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// A panic of the program's on the loop costs the connection, which comes back.
func TestAPanicOnTheLoopIsALostConnection(t *testing.T) {
	var panicked atomic.Bool
	r := connectRestarting(t, func(int) answer {
		return func(s *fakebroker.Session, m wire.Method, n uint16, _ []byte) {
			if m.ID() == wire.QueueDeclareID {
				s.Send(n, &wire.QueueDeclareOk{Queue: "q"})
			}
		}
	}, blocking.WithParams(func(p *blocking.Params) {
		p.Client.Trace = func(f *core.TraceFrame) {
			if f.Sent && f.Type == wire.FrameMethod && f.Method == wire.BasicPublishID && !panicked.Swap(true) {
				panic("tracing")
			}
		}
	}))
	ctx := testContext(t)
	// All are in the queue when the first of them is run.
	calls := make(chan error, 100)
	if err := r.conn.AddCallbackThreadsafe(func() {
		for range cap(calls) {
			go func() {
				err := r.ch.Publish(ctx, &blocking.Publishing{RoutingKey: "q"})
				if err == nil {
					_, err = r.ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "q", Passive: true})
				}
				calls <- err
			}()
		}
	}); err != nil {
		t.Fatal(err)
	}
	for range cap(calls) {
		if err := <-calls; err != nil && !errors.Is(err, blocking.ErrUnknownOutcome) {
			t.Errorf("a call beside the panic: %v", err)
		}
	}
	lost, _ := await[blocking.Lost](t, r)
	if panicked := new(adapters.PanicError); !errors.As(lost.Err, &panicked) {
		t.Errorf("the connection was lost by %v", lost.Err)
	}
	for range 3 {
		if _, err := r.ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "q", Passive: true}); err != nil {
			t.Fatal(err)
		}
	}
}
