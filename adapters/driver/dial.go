package driver

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// Open begins to connect and returns at once, so it may be called on a loop.
// The handler hears only of the attempt that opened; when none does, it hears
// nothing, Done is closed and Err is a *DialError. ctx ends the attempts, and
// nothing once the connection is open.
//
// Wrong parameters are refused before anything is dialled: Done is closed and
// Err is a *core.ConfigError.
func Open(ctx context.Context, l adapters.Loop, p Params, h core.ClientHandler) *Conn {
	return open(ctx, l, p, h).Conn
}

// Dial connects and waits until the connection is open: not on the loop, which
// must be running. The error is a *core.ConfigError for wrong parameters, else a
// *DialError with every attempt. When ctx ends first, what was begun is undone.
func Dial(ctx context.Context, l adapters.Loop, p Params, h core.ClientHandler) (*Conn, error) {
	d := open(ctx, l, p, h)
	select {
	case <-d.opened:
	case <-d.failed:
	}
	if !d.isOpen() {
		return nil, d.Err()
	}
	if err := ctx.Err(); err != nil {
		d.Close()
		return nil, &DialError{Cause: err}
	}
	return d.Conn, nil
}

// dialing is a client's connection while it is being made.
type dialing struct {
	*Conn
	loop   adapters.Loop
	params Params
	opened chan struct{} // closed by OnOpen
	failed chan struct{} // closed instead when there is no more to be hoped for
}

func open(ctx context.Context, l adapters.Loop, p Params, h core.ClientHandler) *dialing {
	if h == nil {
		h = core.NopClient{}
	}
	p, err := p.normalize()
	d := &dialing{
		Conn: &Conn{handler: h, onDrain: p.OnDrain, onFlush: p.OnFlush, budget: p.LatencyBudget},
		loop: l, params: p, opened: make(chan struct{}), failed: make(chan struct{}),
	}
	if err != nil {
		d.fail(err)
		return d
	}
	ctx, d.cancel = context.WithCancel(ctx)
	go d.connect(ctx)
	return d
}

func (d *dialing) isOpen() bool {
	select {
	case <-d.opened:
		return true
	default:
		return false
	}
}

// connect makes attempts until one opens or there are no more.
func (d *dialing) connect(ctx context.Context) {
	defer d.connected()
	e := &DialError{}
	for n := 0; ; n++ {
		if d.cycle(ctx, e) {
			return
		}
		if d.params.Attempts != Unlimited && n+1 >= d.params.Attempts || d.hopeless(e) {
			break
		}
		if !sleep(ctx, d.params.Pause(n+1)) {
			break
		}
	}
	if err := ctx.Err(); err != nil {
		e.Cause = d.stopped(err)
	}
	d.fail(e)
}

// fail ends a connection that did not open.
func (d *dialing) fail(err error) {
	d.finish(err)
	d.conclude()
	close(d.failed)
}

// stopped is why the attempts were given up: we may have been told by Close.
func (d *dialing) stopped(err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closing != closeNot {
		return ErrClosed
	}
	return err
}

// hopeless tells that another attempt would fail the same way, or do harm.
func (d *dialing) hopeless(e *DialError) bool {
	return errors.Is(e, adapters.ErrClosed) || !d.params.RetryAuth && errors.Is(e, wire.AccessRefused)
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// maxAttempts bounds what a DialError remembers of endless attempts: the latest.
const maxAttempts = 100

// cycle tries every address of every endpoint once.
func (d *dialing) cycle(ctx context.Context, e *DialError) bool {
	fail := func(a Attempt) {
		if d.params.OnAttempt != nil {
			d.params.OnAttempt(a)
		}
		if len(e.Attempts) == maxAttempts {
			e.Attempts = append(e.Attempts[:0], e.Attempts[1:]...)
		}
		e.Attempts = append(e.Attempts, a)
	}
	for _, end := range d.params.cycle() {
		if ctx.Err() != nil {
			return false
		}
		addresses, err := d.resolve(ctx, end)
		if err != nil {
			fail(Attempt{end, "", PhaseResolve, err})
			continue
		}
		for _, address := range addresses {
			phase, err := d.attempt(ctx, end, address)
			if err == nil {
				return true
			}
			fail(Attempt{end, address, phase, err})
			if ctx.Err() != nil || d.hopeless(e) {
				return false
			}
		}
	}
	return false
}

func (d *dialing) resolve(ctx context.Context, e Endpoint) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, d.params.DialTimeout)
	defer cancel()
	return d.params.addresses(ctx, e)
}

// attempt dials one address and waits for the handshake.
func (d *dialing) attempt(ctx context.Context, e Endpoint, address string) (Phase, error) {
	deadline := time.Now().Add(d.params.StackTimeout)
	cfg := d.params.Client
	if d.params.Credentials != nil {
		m, err := d.credentials(ctx, deadline)
		if err != nil {
			return PhaseCredentials, err
		}
		cfg.Mechanisms = []core.Mechanism{m}
	}
	conn, err := d.dial(ctx, e.network(), address)
	if err != nil {
		return PhaseDial, err
	}
	cfg.Host = label(e, address)
	var s *secured
	if e.TLS {
		if s, err = d.secure(ctx, conn, e, cfg.Host, deadline); err != nil {
			return PhaseTLS, err
		}
	}
	return PhaseHandshake, d.handshake(ctx, conn, s, cfg, time.Until(deadline))
}

// credentials asks the user for the way to authenticate.
func (d *dialing) credentials(ctx context.Context, deadline time.Time) (core.Mechanism, error) {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	m, err := d.params.Credentials(ctx)
	if err == nil && m == nil {
		err = &core.ConfigError{Field: "Credentials", Value: "nil", Want: "a mechanism or an error"}
	}
	return m, err
}

func (d *dialing) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, min(d.params.DialTimeout, d.params.StackTimeout))
	defer cancel()
	return d.params.dialer()(ctx, network, address)
}

// label is how errors name the peer.
func label(e Endpoint, address string) string {
	if s := e.String(); s != address {
		return s + " (" + address + ")"
	}
	return address
}

// handshake attaches the connection and waits until it is open or has ended.
func (d *dialing) handshake(ctx context.Context, conn net.Conn, tls *secured, cfg core.ClientConfig, left time.Duration) error {
	left = max(left, time.Millisecond)
	if cfg.HandshakeTimeout == core.Off || cfg.HandshakeTimeout > left || cfg.HandshakeTimeout == 0 && left < core.DefaultHandshakeTimeout {
		cfg.HandshakeTimeout = left
	}
	o := &opening{dialing: d, failed: make(chan error, 1)}
	s := &session{conn: d.Conn, tls: tls, opening: o}
	var err error
	if s.core, err = core.NewClient(cfg, gate{s}); err != nil {
		conn.Close()
		return err
	}
	if err := s.attach(d.loop, conn); err != nil {
		return err
	}
	select {
	case <-d.opened:
		return nil
	case <-d.failed: // it opened, and a handler's panic ended it before it could say so
		return nil
	case err := <-o.failed:
		return err
	case <-ctx.Done():
	}
	// The loop may be slow, or not running: it undoes the rest when it can.
	if d.giveUp(o) {
		return ctx.Err()
	}
	return nil
}
