package blocking_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/internal/fakebroker"
	"github.com/haypile/haypile/core/wire"
)

// closing is a gate that refuses connections with a reason.
func closing(_ int, s *fakebroker.Session) bool {
	s.Read(make([]byte, len(wire.ProtocolHeader)))
	s.Send(0, &wire.ConnectionStart{VersionMinor: 9, Mechanisms: "PLAIN", Locales: "en_US"})
	s.Expect(wire.ConnectionStartOkID)
	s.Send(0, &wire.ConnectionClose{ReplyCode: wire.ConnectionForced, ReplyText: "maintenance"})
	s.Expect(wire.ConnectionCloseOkID)
	return false
}

func TestRecoveryThatRunsOutOfTimeSaysWhatKeptItFromSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := connectRestartingOn(t, simulated, nil,
			blocking.WithRecovery(&blocking.Recovery{Timeout: 2 * time.Second}), // enough for one attempt
			blocking.WithParams(func(p *blocking.Params) { p.RetryDelay, p.MaxRetryDelay = time.Hour, time.Hour }))
		r.admit(closing)
		r.lose(t)
		failed, _ := await[blocking.RecoveryFailed](t, r)
		for name, err := range map[string]error{"the event": failed.Err, "the connection": r.conn.Err()} {
			if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, blocking.ConnectionForced) {
				t.Errorf("%s: %v", name, err)
			}
		}
		<-r.conn.Done()
	})
}

func TestCallsThatWereGivenUpTakeNoMemoryWhileTheConnectionIsLost(t *testing.T) {
	hold := make(chan struct{})
	r := connectRestarting(t, names)
	r.admit(func(int, *fakebroker.Session) bool { <-hold; return true })
	defer close(hold)
	r.lose(t)
	for range 20 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		var calls sync.WaitGroup
		for range 100 {
			calls.Go(func() {
				if err := r.ch.ConfirmSelect(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
			})
		}
		calls.Wait()
		cancel()
	}
	if n := r.conn.Stats().Buffered; n > 32<<10 { // all of them would be 125 KiB
		t.Errorf("%d bytes are kept for calls that nobody waits for", n)
	}
}

func TestPublishesThatWaitForTheWindowSayThatTheConnectionIsLost(t *testing.T) {
	published, hold := make(chan struct{}), make(chan struct{})
	r := connectRestarting(t, confirming(published), blocking.WithRecovery(&blocking.Recovery{Republish: true}))
	ch := open(t, r.conn, blocking.WithConfirmWindow(1))
	r.admit(func(int, *fakebroker.Session) bool { <-hold; return true })
	defer close(hold)
	d, err := ch.PublishDeferred(testContext(t), &blocking.Publishing{})
	if err != nil {
		t.Fatal(err)
	}
	<-published
	r.lose(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	for name, err := range map[string]error{
		"PublishDeferred": func() error { _, err := ch.PublishDeferred(ctx, &blocking.Publishing{}); return err }(),
		"Publish":         ch.Publish(ctx, &blocking.Publishing{}),
	} {
		var lost *blocking.TransportError
		if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &lost) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := d.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
