package blocking_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/internal/fakebroker"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// panicAt is a trace that panics when such a method is sent for the n-th time.
func panicAt(method wire.MethodID, n int) blocking.Option {
	var sent atomic.Int64
	return blocking.WithParams(func(p *blocking.Params) {
		p.Client.Trace = func(f *core.TraceFrame) {
			if f.Sent && f.Type == wire.FrameMethod && f.Method == method && sent.Add(1) == int64(n) {
				panic("tracing")
			}
		}
	})
}

// A panic of the program's on the loop costs the connection, which comes back.
func TestAPanicOnTheLoopIsALostConnection(t *testing.T) {
	var published [10]atomic.Uint64 // by connection
	r := connectRestarting(t, func(conn int) answer {
		return func(s *fakebroker.Session, m wire.Method, n uint16, _ []byte) {
			switch m.ID() {
			case wire.BasicPublishID:
				s.Send(n, &wire.BasicAck{DeliveryTag: published[conn].Add(1)})
			case wire.QueueDeclareID:
				s.Send(n, &wire.QueueDeclareOk{Queue: "q"})
			}
		}
	}, panicAt(wire.BasicPublishID, 1))
	ctx := testContext(t)
	if err := r.ch.ConfirmSelect(ctx); err != nil {
		t.Fatal(err)
	}
	calls := make(chan error)
	const n = 120
	for i := range n { // so that many are behind the one that panics
		go func() {
			p, publish := &blocking.Publishing{RoutingKey: "q", Body: make([]byte, []int{0, 20_000, 300_000}[i%3])}, r.ch.Publish
			if i%2 == 0 {
				publish = r.ch.PublishConfirm
			}
			err := publish(ctx, p)
			if err == nil {
				_, err = r.ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "q", Passive: true})
			}
			calls <- err
		}()
	}
	for range n {
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

// The first message with a confirm turns these on, before its body is lent.
func TestAHugeBodyIsItsPublishersAgainAfterAPanicBeforeIt(t *testing.T) {
	r := connectRestarting(t, nil, panicAt(wire.ConfirmSelectID, 1))
	err := r.ch.PublishConfirm(testContext(t), &blocking.Publishing{Body: hugeBody()})
	if !errors.Is(err, blocking.ErrUnknownOutcome) {
		t.Errorf("published: %v", err)
	}
}

// Some of them were sent before it, some were not. All come once, in their order, on
// the connection after it.
func TestAPanicWhileMessagesArePublishedAgain(t *testing.T) {
	const messages = "abcd"
	got := make(chan byte, 2*len(messages))
	tag := uint64(0)
	r := connectRestarting(t, func(conn int) answer {
		return func(s *fakebroker.Session, m wire.Method, n uint16, body []byte) {
			if m.ID() == wire.BasicPublishID && conn == 2 {
				got <- body[0]
				tag++
				s.Send(n, &wire.BasicAck{DeliveryTag: tag})
			}
		}
	}, blocking.WithRecovery(&blocking.Recovery{Republish: true}), panicAt(wire.BasicPublishID, len(messages)+3))
	ctx := testContext(t)
	var handles []*blocking.Deferred
	for i := range messages {
		d, err := r.ch.PublishDeferred(ctx, &blocking.Publishing{Body: []byte(messages[i : i+1])})
		if err != nil {
			t.Fatal(err)
		}
		handles = append(handles, d)
	}
	awaitPublished(t, r.conn, uint64(len(messages)))
	r.lose(t)
	for i, d := range handles {
		if err := d.Wait(ctx); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	if err := r.ch.Close(ctx); err != nil {
		t.Error(err)
	}
	close(got)
	var all []byte
	for c := range got {
		all = append(all, c)
	}
	if string(all) != messages {
		t.Errorf("%q came, not %q", all, messages)
	}
}

// What waits until a channel is open again is not lost with the first of it.
func TestAPanicInWhatWaitedForAChannelIsAboutOneCallAlone(t *testing.T) {
	const waiting = 20
	hold := make(chan struct{})
	var calling sync.WaitGroup
	calling.Add(1 + waiting)
	b := connectStrict(t, &strict{hold: hold}, panicAt(wire.QueueDeclareID, 2), blocking.WithHooks(blocking.Hooks{
		Call: func(_ context.Context, _ *blocking.Channel, m blocking.MethodID) func(error) {
			if m == wire.QueueDeclareID {
				calling.Done()
			}
			return nil
		},
	}))
	ctx := testContext(t)
	consuming, stop := context.WithCancel(ctx)
	var consumer sync.WaitGroup
	begun := make(chan struct{}, 10)
	consumer.Go(func() {
		for range b.ch.Consume(consuming, &blocking.Consume{Queue: "q", NoAck: true}) {
			begun <- struct{}{}
		}
	})
	<-begun
	other, err := b.conn.Channel(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "bad"}); !errors.Is(err, blocking.NotFound) {
		t.Fatal(err)
	}
	results := make(chan error)
	for range waiting {
		go func() {
			_, err := b.ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "q"})
			results <- err
		}()
	}
	calling.Wait()
	if err := other.Publish(ctx, &blocking.Publishing{}); err != nil {
		t.Fatal(err)
	}
	awaitPublished(t, b.conn, 1) // by then they have come to the loop
	close(hold)
	failed := 0
	for range waiting {
		if err := <-results; err != nil {
			failed++
		}
	}
	if failed != 1 {
		t.Errorf("%d of the calls failed, not one", failed)
	}
	stop()
	consumer.Wait()
}
