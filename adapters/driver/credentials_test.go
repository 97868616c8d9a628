package driver_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/adapters/internal/fakebroker"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

func TestEachAttemptAsksForCredentials(t *testing.T) {
	used := make(chan string, 10)
	broker := func() string {
		return fakebroker.Start(t, func(_ int, s *fakebroker.Session) {
			s.Seen = func(m wire.Method, _ []byte) {
				if m, ok := m.(*wire.ConnectionStartOk); ok {
					_, password, _ := core.ParsePlain(m.Response)
					used <- password.Reveal()
				}
			}
			s.Refuse()
		})
	}
	p := params(t, broker(), broker())
	asked := 0
	p.RetryAuth = true
	p.Credentials = func(context.Context) (core.Mechanism, error) {
		asked++
		return core.Plain("me", wire.NewSecret(fmt.Sprint("password ", asked))), nil
	}
	_, err := driver.Dial(t.Context(), newLoop(t), p, nil)
	if !errors.Is(err, wire.AccessRefused) {
		t.Errorf("Dial: %v", err)
	}
	for _, want := range []string{"password 1", "password 2"} {
		if got := <-used; got != want {
			t.Errorf("the broker got %q, want %q", got, want)
		}
	}
}

func TestAskingForCredentialsEndsWithTheAttempts(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	p := params(t, "127.0.0.1:1")
	p.Credentials = func(ctx context.Context) (core.Mechanism, error) {
		cancel()
		<-ctx.Done()
		return nil, ctx.Err()
	}
	_, err := driver.Dial(ctx, newLoop(t), p, nil)
	var dial *driver.DialError
	if !errors.As(err, &dial) || !errors.Is(dial.Cause, context.Canceled) || dial.Attempts[0].Phase != driver.PhaseCredentials {
		t.Errorf("Dial: %v", err)
	}
}
