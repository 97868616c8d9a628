package driver

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/haypile/haypile/core"
)

// Defaults of Params, used where a field is zero.
const (
	DefaultPort          = 5672
	DefaultTLSPort       = 5671
	DefaultDialTimeout   = 10 * time.Second
	DefaultStackTimeout  = 15 * time.Second
	DefaultAttempts      = 1
	DefaultRetryDelay    = 2 * time.Second
	DefaultMaxRetryDelay = 30 * time.Second
)

// Params say where to connect and how. The zero value is RabbitMQ's default
// user on localhost:5672. Open and Dial read them and never change them; do not
// change them while a connection uses them.
type Params struct {
	// Endpoints are tried in order, all addresses of one before the next.
	// Default: localhost:5672.
	Endpoints []Endpoint
	// Shuffle tries the endpoints of each cycle in random order, to spread
	// many clients over a cluster.
	Shuffle bool
	// TLS is for the endpoints that use it. It is read and never changed. What is
	// left zero means: the certificate must be valid for the endpoint's host, by
	// the authorities that the system trusts, and TLS 1.2 or newer. Nil: all of
	// that.
	TLS *tls.Config
	// Client is the AMQP side: virtual host, credentials, limits, timeouts.
	// Host is filled in by each attempt.
	Client core.ClientConfig

	// Credentials, if set, is asked for the way to authenticate before each attempt,
	// and Client.Mechanisms is not used: for passwords and tokens that change, such
	// as core.Plain with what a secret store has at the moment. It runs in the
	// goroutine that makes the attempts, with a context that ends when they are given
	// up, and with StackTimeout. Its error is the attempt's failure, so it must not
	// have a secret in its text.
	Credentials func(ctx context.Context) (core.Mechanism, error)

	// DialTimeout bounds the dialling of one address. Default 10 s.
	DialTimeout time.Duration
	// StackTimeout bounds one attempt as a whole, from asking for Credentials and
	// dialling to an open AMQP connection. Default 15 s.
	StackTimeout time.Duration
	// Attempts is how many cycles to make, a cycle being every address of
	// every endpoint: 0 means 1, Unlimited (-1) no end. A URI has it as
	// its argument attempts, where 0 means 1, too, and nothing means no end. It is
	// for the first connection: package blocking bounds what comes after a loss by
	// its Recovery.Attempts, where 0 means no end.
	Attempts int
	// RetryDelay is the pause after the first cycle that failed; it doubles
	// up to MaxRetryDelay, and a random part of it, up to a half, is left
	// out. Defaults 2 s and 30 s.
	RetryDelay, MaxRetryDelay time.Duration
	// RetryAuth goes on after the broker refused the credentials (403), which
	// otherwise ends the attempts, since they would lock out the user.
	RetryAuth bool

	// LatencyBudget is how long a connection may leave what the broker sends unread
	// after a read that brought little (under 16 KiB), so that the next brings more:
	// 0, the default, to 1 s. With a millisecond, a busy consumer of RabbitMQ needs
	// a fraction of the CPU time, at the same rate; an answer that would come sooner
	// comes up to the budget later, and what a prefetch allows is all that comes in
	// that time. Writes, timers and heartbeats do not wait.
	LatencyBudget time.Duration

	// OnAttempt, if set, is told of each attempt that failed, in the goroutine
	// that makes them.
	OnAttempt func(a Attempt)

	// DialContext makes the connection to the broker, to go through a proxy
	// or a tunnel. It gets host names as they are, "tcp" or "unix", and a
	// context that ends with DialTimeout. Default: look the host up and dial
	// each of its addresses by net.Dialer, with TCP_NODELAY and keep-alive.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)

	// OnDrain, if set, runs on the loop once for any number of calls of
	// Conn.Notify before it. It may use c as a callback may.
	OnDrain func(c *core.Conn, now time.Time)
	// OnFlush, if set, runs on the loop at the end of each of the connection's
	// turns, after output was handed to the transport: c.Buffered tells how
	// much is left. It may Pause and Resume d, and must not use c otherwise.
	OnFlush func(d *Conn, c *core.Conn, now time.Time)
}

// Unlimited as Attempts tries until the context ends.
const Unlimited = -1

// Endpoint is one place where the broker may be reached.
type Endpoint struct {
	// Host is a name, an IPv4 or IPv6 address, or, beginning with a slash, the
	// path of a UNIX socket. Default localhost.
	Host string
	// Port is the TCP port. Default 5672, with TLS 5671. UNIX sockets have none.
	Port uint16
	// TLS has the connection encrypted, as Params.TLS says.
	TLS bool
}

// String is "host:port", or the path of a UNIX socket.
func (e Endpoint) String() string {
	if e.network() == "unix" {
		return e.Host
	}
	return net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port)))
}

func (e Endpoint) network() string {
	if strings.HasPrefix(e.Host, "/") {
		return "unix"
	}
	return "tcp"
}

func (e Endpoint) withDefaults() Endpoint {
	if e.Host == "" {
		e.Host = "localhost"
	}
	if e.Port == 0 {
		e.Port = DefaultPort
		if e.TLS {
			e.Port = DefaultTLSPort
		}
	}
	return e
}

// normalize returns a copy with the defaults filled in, or a *core.ConfigError.
func (p Params) normalize() (Params, error) {
	p.Endpoints = slices.Clone(p.Endpoints)
	if len(p.Endpoints) == 0 {
		p.Endpoints = []Endpoint{{}}
	}
	for i, e := range p.Endpoints {
		p.Endpoints[i] = e.withDefaults()
	}
	delay, most := p.retryDelays()
	for _, f := range []struct {
		name  string
		value *time.Duration
		or    time.Duration
	}{
		{"DialTimeout", &p.DialTimeout, DefaultDialTimeout},
		{"StackTimeout", &p.StackTimeout, DefaultStackTimeout},
		{"RetryDelay", &p.RetryDelay, delay},
		{"MaxRetryDelay", &p.MaxRetryDelay, most},
	} {
		if *f.value < 0 {
			return p, &core.ConfigError{Field: f.name, Value: *f.value, Want: "positive"}
		}
		if *f.value == 0 {
			*f.value = f.or
		}
	}
	if p.Attempts == 0 {
		p.Attempts = DefaultAttempts
	}
	if p.Attempts < Unlimited {
		return p, &core.ConfigError{Field: "Attempts", Value: p.Attempts, Want: "positive or Unlimited"}
	}
	if err := p.checkBudget(); err != nil {
		return p, err
	}
	// What a Conn would refuse is refused before anything is dialled.
	return p, p.Client.Validate()
}

// cycle is the endpoints in the order of one cycle.
func (p *Params) cycle() []Endpoint {
	if !p.Shuffle {
		return p.Endpoints
	}
	order := slices.Clone(p.Endpoints)
	rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	return order
}

// Pause is how long to wait after the n-th cycle in a row that failed, counting
// from 1: RetryDelay, doubled for each, up to MaxRetryDelay, less a random part up
// to a half. It is for those who make cycles of their own.
func (p *Params) Pause(n int) time.Duration {
	d, most := p.retryDelays()
	for ; n > 1 && d < most; n-- {
		d *= 2
	}
	d = min(d, most)
	return d - rand.N(d/2+1)
}

// retryDelays are RetryDelay and MaxRetryDelay, or their defaults.
func (p *Params) retryDelays() (first, most time.Duration) {
	first, most = p.RetryDelay, p.MaxRetryDelay
	if first <= 0 {
		first = DefaultRetryDelay
	}
	if most <= 0 {
		most = max(DefaultMaxRetryDelay, first)
	}
	return first, most
}

// dialer is DialContext or the default one.
func (p *Params) dialer() func(ctx context.Context, network, address string) (net.Conn, error) {
	if p.DialContext != nil {
		return p.DialContext
	}
	return new(net.Dialer).DialContext
}

// addresses looks the endpoint up. A DialContext of the user's gets names as
// they are, since only it knows where they mean something.
func (p *Params) addresses(ctx context.Context, e Endpoint) ([]string, error) {
	if p.DialContext != nil || e.network() == "unix" || net.ParseIP(e.Host) != nil {
		return []string{e.String()}, nil
	}
	ips, err := net.DefaultResolver.LookupHost(ctx, e.Host)
	if err != nil {
		return nil, err
	}
	for i, ip := range ips {
		ips[i] = net.JoinHostPort(ip, strconv.Itoa(int(e.Port)))
	}
	if len(ips) == 0 {
		return nil, fmt.Errorf("no address for %s", e.Host)
	}
	return ips, nil
}
