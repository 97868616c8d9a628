package blocking_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/adapters/internal/fakebroker"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

func TestANewSecretIsSentAndUsedForLaterAttempts(t *testing.T) {
	for name, plain := range map[string]bool{"PLAIN": true, "AMQPLAIN": false} {
		t.Run(name, func(t *testing.T) {
			mechanism, parse := blocking.AMQPlain, core.ParseAMQPlain
			if plain {
				mechanism, parse = blocking.Plain, core.ParsePlain
			}
			secrets := make(chan string, 10)
			addr := fakebroker.Start(t, func(n int, s *fakebroker.Session) {
				s.Seen = func(m wire.Method, _ []byte) {
					switch m := m.(type) {
					case *wire.ConnectionStartOk:
						user, password, err := parse(m.Response)
						secrets <- "connect " + user + " " + password.Reveal()
						if err != nil {
							t.Error(err)
						}
					case *wire.ConnectionUpdateSecret:
						secrets <- "update " + m.NewSecret.Reveal() + " " + m.Reason
					}
				}
				if !s.HandshakeBy(name) {
					return
				}
				s.Serve(func(m wire.Method, _ uint16, _ []byte) {
					switch m.(type) {
					case *wire.ConnectionUpdateSecret:
						s.Send(0, &wire.ConnectionUpdateSecretOk{})
					case *wire.BasicPublish:
						s.Close()
					}
				})
			})
			checkGoroutines(t)
			conn, err := blocking.Dial(testContext(t), "amqp://"+addr, patiently(), blocking.WithParams(func(p *blocking.Params) {
				p.Client.Mechanisms = []blocking.Mechanism{blocking.External(), mechanism("me", blocking.NewSecret("old"))}
			}))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(testContext(t))
			if err := conn.UpdateSecret(testContext(t), blocking.NewSecret("new"), "expires"); err != nil {
				t.Error(err)
			}
			ch, err := conn.Channel(testContext(t))
			if err != nil {
				t.Fatal(err)
			}
			if err := ch.Publish(testContext(t), &blocking.Publishing{}); err != nil { // ends the connection
				t.Error(err)
			}
			for _, want := range []string{"connect me old", "update new expires", "connect me new"} {
				if got := <-secrets; got != want {
					t.Errorf("the broker got %q, want %q", got, want)
				}
			}
		})
	}
}

func TestASecretThatDoesNotFitIsRefused(t *testing.T) {
	conn, _ := connect(t, deliveries(0, nil))
	long := string(make([]byte, 300))
	var e *blocking.EncodeError
	if err := conn.UpdateSecret(testContext(t), blocking.NewSecret("new"), long); !errors.As(err, &e) {
		t.Errorf("a long reason: %v", err)
	}
	if err := conn.UpdateSecret(testContext(t), blocking.NewSecret(string(make([]byte, 200_000))), ""); !errors.Is(err, blocking.ErrFrameTooLarge) {
		t.Errorf("a long secret: %v", err)
	}
	if err := conn.Close(testContext(t)); err != nil {
		t.Error(err)
	}
	if err := conn.UpdateSecret(testContext(t), blocking.NewSecret("new"), ""); !errors.Is(err, blocking.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestServersPropertiesAreKnown(t *testing.T) {
	conn, _ := connect(t, deliveries(0, nil))
	if p := conn.ServerProperties(); p["product"] != "fakebroker" {
		t.Errorf("properties %v", p)
	}
	if !conn.HasCapability("publisher_confirms") || conn.HasCapability("time_travel") {
		t.Error("wrong capabilities")
	}
}

func TestCredentialsAreAskedForByEachAttempt(t *testing.T) {
	used := make(chan string, 10)
	addr := fakebroker.Start(t, func(n int, s *fakebroker.Session) {
		s.Seen = func(m wire.Method, _ []byte) {
			if m, ok := m.(*wire.ConnectionStartOk); ok {
				user, password, _ := core.ParsePlain(m.Response)
				used <- user + " " + password.Reveal()
			}
		}
		if s.Handshake() && n > 0 {
			s.Serve(nil)
		}
	})
	checkGoroutines(t)
	asked := 0
	events := make(chan blocking.Event, 100)
	out := &records{}
	conn, err := blocking.Dial(testContext(t), "amqp://somebody:else@"+addr,
		patiently(), blocking.WithCredentials(func(ctx context.Context) (blocking.Mechanism, error) {
			if _, bounded := ctx.Deadline(); !bounded {
				t.Error("the context has no deadline")
			}
			if asked++; asked == 2 {
				return nil, errors.New("the store is sealed")
			}
			return blocking.Plain("me", blocking.NewSecret(fmt.Sprint("hunter", asked))), nil
		}),
		blocking.WithParams(func(p *blocking.Params) { p.RetryDelay = time.Millisecond }),
		blocking.WithEvents(func(e blocking.Event) { events <- e }), blocking.WithLogger(slog.New(slog.NewTextHandler(out, nil))))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(testContext(t))
	for _, want := range []string{"me hunter1", "me hunter3"} {
		if got := <-used; got != want {
			t.Errorf("the broker got %q, want %q", got, want)
		}
	}
	failed, _ := await[blocking.AttemptFailed](t, &restarting{events: events})
	if a := failed.Attempt; a.Phase != driver.PhaseCredentials || a.Err.Error() != "the store is sealed" {
		t.Errorf("attempt %v", a)
	}
	await[blocking.Recovered](t, &restarting{events: events})
	if s := out.String(); strings.Contains(s, "hunter") || !strings.Contains(s, "the store is sealed") {
		t.Errorf("the log:\n%s", s)
	}
}

func TestCredentialsThatAreNotGivenFailTheAttempt(t *testing.T) {
	for name, test := range map[string]struct {
		m    blocking.Mechanism
		err  error
		want func(error) bool
	}{
		"an error":     {err: context.Canceled, want: func(err error) bool { return errors.Is(err, context.Canceled) }},
		"no mechanism": {want: func(err error) bool { var e *blocking.ConfigError; return errors.As(err, &e) }},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := blocking.Dial(testContext(t), "amqp://127.0.0.1:1", blocking.WithCredentials(func(context.Context) (blocking.Mechanism, error) { return test.m, test.err }))
			var dial *blocking.DialError
			if !errors.As(err, &dial) || !test.want(err) || dial.Attempts[0].Phase != driver.PhaseCredentials {
				t.Errorf("Dial: %v", err)
			}
		})
	}
}
