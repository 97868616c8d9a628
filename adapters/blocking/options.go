package blocking

import (
	"context"
	"log/slog"
	"time"

	"github.com/haypile/haypile/adapters"
)

// Option changes how Dial connects.
type Option func(*settings)

type settings struct {
	params   Params
	loop     adapters.Loop
	recovery *Recovery
	onEvent  func(Event)
	hooks    []Hooks
	logger   *slog.Logger
	patience time.Duration
}

// WithLoop runs the connection on that loop, which must be running and stays
// the caller's to close. Default: a loop of its own on Go's net package
// (package stdnet).
func WithLoop(l adapters.Loop) Option { return func(s *settings) { s.loop = l } }

// WithParams lets f change the parameters that the URI gave: endpoints,
// credentials, limits, timeouts, retries, a dialler.
func WithParams(f func(*Params)) Option { return func(s *settings) { f(&s.params) } }

// WithCredentials has f asked for the way to authenticate before each attempt to
// connect, the first one and those of each recovery, in the place of what the URI
// has: for passwords and tokens that change. It returns Plain with user and
// password, say, or with a token; an error, which must not have a secret in its
// text, is the attempt's failure. ctx ends when the attempt is given up, at the
// latest with Params.StackTimeout.
//
//	blocking.WithCredentials(func(ctx context.Context) (blocking.Mechanism, error) {
//		token, err := store.Token(ctx)
//		return blocking.Plain("", blocking.NewSecret(token)), err
//	})
func WithCredentials(f func(ctx context.Context) (Mechanism, error)) Option {
	return WithParams(func(p *Params) { p.Credentials = f })
}

// WithName is shown for the connection by RabbitMQ's tools.
func WithName(name string) Option {
	return WithParams(func(p *Params) {
		p.Client.Properties = p.Client.Properties.Clone()
		if p.Client.Properties == nil {
			p.Client.Properties = Table{}
		}
		p.Client.Properties["connection_name"] = name
	})
}

// WithRPCTimeout bounds how long each call waits for the broker's answer, whatever
// its context allows, the time in which the connection is lost included. It then
// returns ErrRPCTimeout, and the channel goes on: what was sent stays sent, and a
// late answer is dropped. It is for every method of Channel that is a request, for
// opening a channel, starting a consumer, Get, Declare and UpdateSecret; not for
// publishes and their confirms, Caller.Call and Close. 0 means no limit, which is the
// default.
func WithRPCTimeout(d time.Duration) Option { return func(s *settings) { s.patience = d } }
