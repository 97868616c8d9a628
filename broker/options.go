package broker

import (
	"cmp"
	"crypto/tls"
	"log/slog"
	"net"
	"time"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/core"
)

// Option changes what New makes.
type Option func(*settings)

type settings struct {
	loop         adapters.Loop
	address      string
	listen       func(network, address string) (net.Listener, error)
	tls          *tls.Config
	tlsAddress   string
	users        []User
	virtualHosts []string
	profile      Profile
	logger       *slog.Logger
	memory       int64
	maxMessage   int64
	limits       Limits
	ackTimeout   time.Duration
	server       core.ServerConfig
	journal      int
	lazy         bool            // listen for TCP when somebody asks where
	misuse       func(err error) // is told of rules that are wrong
	patience     patience        // of waits
}

func defaults() settings {
	return settings{
		address:      "127.0.0.1:0",
		users:        []User{Guest()},
		virtualHosts: []string{"/"},
		profile:      RabbitMQ4,
		memory:       1 << 30,
	}
}

// complete fills in what the profile has and what is nil. The error is a
// *core.ConfigError.
func (s *settings) complete() (traits, error) {
	t, ok := profiles[s.profile]
	switch {
	case !ok:
		return t, &core.ConfigError{Field: "profile", Value: uint8(s.profile), Want: "RabbitMQ3 or RabbitMQ4"}
	case s.memory < 0:
		return t, &core.ConfigError{Field: "memory limit", Value: s.memory, Want: "0 or more bytes"}
	case s.maxMessage < 0:
		return t, &core.ConfigError{Field: "largest message", Value: s.maxMessage, Want: "0 or more bytes"}
	case s.ackTimeout < 0 && s.ackTimeout != core.Off:
		return t, &core.ConfigError{Field: "ack timeout", Value: s.ackTimeout, Want: "a time, or Off"}
	case s.journal < 0:
		return t, &core.ConfigError{Field: "journal", Value: s.journal, Want: "0 or more methods"}
	}
	s.maxMessage = cmp.Or(s.maxMessage, t.maxMessage)
	s.ackTimeout = cmp.Or(s.ackTimeout, t.ackTimeout)
	if s.listen == nil {
		s.listen = net.Listen
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	if s.misuse == nil {
		logger := s.logger
		s.misuse = func(err error) { logger.Error(err.Error()) }
	}
	return t, nil
}

// WithLoop has connections run on a loop of the caller's, which must run and is not
// closed by the broker. Default: a loop on package net (adapters/stdnet) of the
// broker's own.
func WithLoop(l adapters.Loop) Option { return func(s *settings) { s.loop = l } }

// WithAddress sets where the broker listens, such as "127.0.0.1:5672"; empty for
// nowhere, which leaves Serve. Default "127.0.0.1:0": a port of loopback that is
// free. The broker trusts its clients as little as RabbitMQ does, but it is made
// for tests and demos: think twice before it listens elsewhere.
func WithAddress(address string) Option { return func(s *settings) { s.address = address } }

// WithTLS has the broker also listen for TLS at an address. The config needs a
// certificate; it is read and never changed.
func WithTLS(address string, cfg *tls.Config) Option {
	return func(s *settings) { s.tlsAddress, s.tls = address, cfg }
}

// WithListen sets what makes the listeners, such as adaptertest.Sim's network.
// Default net.Listen.
func WithListen(listen func(network, address string) (net.Listener, error)) Option {
	return func(s *settings) { s.listen = listen }
}

// WithUsers replaces the users, of whom there is one by default: Guest.
func WithUsers(users ...User) Option { return func(s *settings) { s.users = users } }

// WithVirtualHosts replaces the virtual hosts, of which there is one by default:
// "/". Those in the permissions of users exist besides.
func WithVirtualHosts(names ...string) Option {
	return func(s *settings) { s.virtualHosts = names }
}

// WithProfile sets the RabbitMQ that the broker behaves as, where clients can tell
// one from the other. Default RabbitMQ4.
func WithProfile(p Profile) Option { return func(s *settings) { s.profile = p } }

// WithLogger sets where the broker logs connections and what it refuses, without
// secrets and bodies. It is the "broker logfile" of which RabbitMQ's replies speak,
// as in "For details see the broker logfile". Default: nowhere.
func WithLogger(l *slog.Logger) Option { return func(s *settings) { s.logger = l } }

// WithMemoryLimit bounds the messages that the broker holds, in bytes of properties
// and bodies and what keeping them costs, a message in two queues counting twice.
// Above it, connections that publish are blocked, as RabbitMQ does: they get
// connection.blocked and nothing more is read from them. A quarter above it,
// publishing ends the connection with 506, and dead letters are dropped. Zero is a
// limit, which the first message exceeds; New refuses less. Default 1 GiB.
func WithMemoryLimit(bytes int64) Option { return func(s *settings) { s.memory = bytes } }

// WithLimits bounds what clients can make. New refuses negative limits. Default: see
// Limits.
func WithLimits(l Limits) Option { return func(s *settings) { s.limits = l } }

// WithMaxMessage bounds the body of a message, in bytes; a larger one closes its
// channel with 406. New refuses a negative one. Default, and zero: the profile's.
func WithMaxMessage(bytes int64) Option { return func(s *settings) { s.maxMessage = bytes } }

// WithAckTimeout bounds how long a delivery may stay unacknowledged; then its
// channel is closed with 406, by the broker's clock. core.Off for no bound; New
// refuses any other negative time. Default, and zero: the profile's.
func WithAckTimeout(d time.Duration) Option { return func(s *settings) { s.ackTimeout = d } }

// WithServer changes the AMQP side of connections: heartbeat, frame-max,
// channel-max, timeouts, tracing. Mechanisms and server properties are the
// broker's.
func WithServer(f func(*core.ServerConfig)) Option {
	return func(s *settings) {
		if f != nil {
			f(&s.server)
		}
	}
}

// WithJournal has the broker remember the last methods that went over its
// connections, so many of them: see Journal. Zero for none, which is the default
// but for RunT; New refuses less.
func WithJournal(methods int) Option { return func(s *settings) { s.journal = methods } }

// withMisuse has f told of rules that are wrong, instead of the logger.
func withMisuse(f func(error)) Option { return func(s *settings) { s.misuse = f } }

// withLazyListener leaves the system's network alone until Addr or URL is called.
func withLazyListener(s *settings) { s.lazy = true }

// withPatience bounds waits.
func withPatience(p patience) Option { return func(s *settings) { s.patience = p } }
