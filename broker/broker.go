package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/adapters/stdnet"
	"github.com/haypile/haypile/broker/internal/memnet"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// Broker is an AMQP 0-9-1 broker in memory, made by New, Start or RunT. Its methods
// may be called from any goroutine, but not inside the callbacks of its own loop.
type Broker struct {
	settings settings
	traits   traits
	users    *users
	journal  *journal // nil for none
	faults   faults

	lifecycle sync.Mutex // of Start, Stop and Restart
	loop      adapters.Loop
	places    []*place

	mu        sync.Mutex // everything below: the state
	running   bool
	clock     clock
	started   time.Time
	vhosts    map[string]*vhost
	sessions  []*session // in the order in which they came
	replies   map[string]*replyTo
	wakes     []*session // those with something to send
	dead      []death
	chain     chain
	stirred   []*mailbox // queues that may be able to deliver
	routed    []*mailbox // of the message in hand
	settled   []delivery // of the method in hand
	keys      []string   // of the message in hand
	memory    memory
	channels  int   // that are open
	defined   int64 // bytes that queues and consumers cost
	totals    Totals
	inMemory  *memnet.Listener // of DialContext; nil before the first start
	listening []ListenerState  // places, as State shows them
	holding   *HeldConfirms    // nil when confirms leave
	watchers  map[int]func()   // told after each event
	watched   int              // the number of the latest watcher
}

// place is where the broker listens, across restarts.
type place struct {
	listener net.Listener // of the moment
	address  string
	tls      *tls.Config
	server   *driver.Server
	given    bool // by Serve: cannot be opened again
	lazy     bool // is opened by Addr
}

// ErrRunning: the broker has been started already.
var ErrRunning = errors.New("amqp: the broker is running")

// ErrStopped: the broker is not running.
var ErrStopped = errors.New("amqp: the broker is not running")

// ErrZero: the Broker was not made by New, Start or RunT.
var ErrZero = errors.New("amqp: broker: the zero Broker is of no use: call New")

// New makes a broker that does not listen yet: Start does that. The error is a
// *core.ConfigError that names an option which is out of range, or a *UserError.
func New(opts ...Option) (*Broker, error) {
	s := defaults()
	for _, set := range opts {
		set(&s)
	}
	traits, err := s.complete()
	if err != nil {
		return nil, err
	}
	s.limits = s.limits.orDefaults()
	if err := s.limits.validate(); err != nil {
		return nil, err
	}
	users, err := newUsers(s.users)
	if err != nil {
		return nil, err
	}
	b := &Broker{settings: s, traits: traits, users: users, watchers: make(map[int]func())}
	b.faults.misuse = s.misuse
	if s.journal > 0 {
		b.journal = newJournal(s.journal)
	}
	o := b.serveOptions(&place{tls: s.tls})
	if err := o.Validate(); err != nil {
		return nil, err
	}
	b.reset()
	return b, nil
}

// reset empties the state.
func (b *Broker) reset() {
	b.stopClock()
	b.started = b.clock.now()
	b.vhosts = make(map[string]*vhost)
	b.replies = make(map[string]*replyTo)
	b.memory = memory{limit: b.settings.memory}
	b.defined = 0
	b.totals = Totals{}
	for _, name := range slices.Concat(b.settings.virtualHosts, b.users.virtualHosts()) {
		if b.vhosts[name] == nil {
			b.vhosts[name] = newVhost(b, name)
		}
	}
}

// Start makes a broker and starts it.
func Start(opts ...Option) (*Broker, error) {
	b, err := New(opts...)
	if err != nil {
		return nil, err
	}
	return b, b.Start()
}

// Start listens. The error is ErrRunning, ErrZero or the listener's.
func (b *Broker) Start() error {
	b.lifecycle.Lock()
	defer b.lifecycle.Unlock()
	if b.users == nil {
		return ErrZero
	}
	if b.running {
		return ErrRunning
	}
	return b.start()
}

func (b *Broker) start() error {
	if len(b.places) == 0 {
		if b.settings.address != "" {
			b.places = append(b.places, &place{address: b.settings.address, lazy: b.settings.lazy})
		}
		if b.settings.tls != nil {
			b.places = append(b.places, &place{address: b.settings.tlsAddress, tls: b.settings.tls})
		}
	}
	for _, p := range b.places {
		if p.listener != nil || p.lazy {
			continue
		}
		if err := b.listen(p); err != nil {
			b.closeListeners()
			return err
		}
	}
	memory := memnet.Listen(memoryName)
	b.places = append(b.places, &place{listener: memory, given: true})
	if b.loop = b.settings.loop; b.loop == nil {
		b.loop = stdnet.New()
	}
	b.mu.Lock()
	b.running, b.inMemory = true, memory
	b.rearm()
	b.mu.Unlock()
	for _, p := range b.places {
		if p.listener != nil {
			b.serve(p)
		}
	}
	return nil
}

func (b *Broker) listen(p *place) error {
	ln, err := b.settings.listen("tcp", p.address)
	if err != nil {
		return fmt.Errorf("amqp: broker: %w", err)
	}
	p.listener, p.address, p.lazy = ln, ln.Addr().String(), false
	return nil
}

func (b *Broker) closeListeners() {
	for _, p := range b.places {
		if p.listener != nil {
			_ = p.listener.Close()
			p.listener = nil
		}
	}
}

// Serve accepts clients from a listener of the caller's, which the broker takes
// over, until Stop; cfg, if it is not nil, has them speak TLS. After Restart, the
// listener is gone. The error is ErrStopped, or a *core.ConfigError for a listener or
// a config that cannot be used, and the listener stays the caller's.
func (b *Broker) Serve(ln net.Listener, cfg *tls.Config) error {
	b.lifecycle.Lock()
	defer b.lifecycle.Unlock()
	if !b.running {
		return ErrStopped
	}
	if ln == nil {
		return &core.ConfigError{Field: "listener", Value: nil, Want: "one that listens"}
	}
	p := &place{listener: ln, address: ln.Addr().String(), tls: cfg, given: true}
	o := b.serveOptions(p)
	if err := o.Validate(); err != nil {
		return err
	}
	b.places = append(b.places, p)
	b.serve(p)
	return nil
}

func (b *Broker) node() string { return "haypile@localhost" }

// Addr is where the broker listens, nil when it listens nowhere. It stays the same
// across restarts.
func (b *Broker) Addr() net.Addr {
	b.lifecycle.Lock()
	defer b.lifecycle.Unlock()
	for _, p := range b.places {
		if p.lazy && b.running {
			if err := b.listen(p); err != nil {
				b.settings.logger.Error(err.Error())
				continue
			}
			b.serve(p)
		}
		if p.listener != nil && p.listener != net.Listener(b.inMemory) {
			return p.listener.Addr()
		}
	}
	return nil
}

// URL is an AMQP URI of the broker, with the first user's name and password if
// that user is Guest. It is empty when the broker listens nowhere.
func (b *Broker) URL() string {
	addr := b.Addr()
	if addr == nil {
		return ""
	}
	u := url.URL{Scheme: "amqp", Host: addr.String(), Path: "/"}
	if b.users.hasGuest() {
		u.User = url.UserPassword("guest", "guest")
	}
	return u.String()
}

// Stop closes every connection with 320, as RabbitMQ does when it is stopped, stops
// listening, and forgets everything: nothing was ever on disk. It waits until all
// has ended, or the context: then what is left is dropped, and the error is the
// context's. Stopping a broker that does not run changes nothing.
func (b *Broker) Stop(ctx context.Context) error {
	b.lifecycle.Lock()
	defer b.lifecycle.Unlock()
	if b.users == nil {
		return ErrZero
	}
	err := b.stop(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reset()
	b.observe()
	return err
}

// Restart is what a restart of RabbitMQ is to its clients: connections are closed
// with 320; durable exchanges, queues and bindings stay, with the persistent
// messages in them; everything else is gone. The broker listens at the same
// addresses again.
func (b *Broker) Restart(ctx context.Context) error {
	b.lifecycle.Lock()
	defer b.lifecycle.Unlock()
	if !b.running {
		return ErrStopped
	}
	err := b.stop(ctx)
	b.mu.Lock()
	b.forgetTransient()
	b.mu.Unlock()
	return errors.Join(err, b.start())
}

const shutdownText = "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'"

// stop ends every connection and stops listening.
func (b *Broker) stop(ctx context.Context) error {
	if !b.running {
		return nil
	}
	b.mu.Lock()
	b.running = false
	for _, s := range b.sessions {
		_ = s.conn.AddCallbackThreadsafe(func(c *core.Conn) { // it has ended, or will be told
			_ = c.Close(wire.ConnectionForced, shutdownText) // it is closing already
		})
	}
	b.mu.Unlock()
	var err error
	var ended []*driver.Server
	b.places = slices.DeleteFunc(b.places, func(p *place) bool {
		if p.listener == nil {
			return false
		}
		_ = p.server.Close() // that the listener fails to close is no concern any more
		ended = append(ended, p.server)
		p.listener = nil
		return p.given
	})
	b.noteListeners()
	for _, server := range ended {
		select {
		case <-server.Done():
		case <-ctx.Done():
			err = ctx.Err()
			server.Abort()
			<-server.Done()
		}
	}
	if b.settings.loop == nil {
		_ = b.loop.Close() // never fails
		<-b.loop.Done()
	}
	b.mu.Lock()
	b.stopClock()
	b.mu.Unlock()
	return err
}

// CloseConnection closes a connection with 320, as an operator of RabbitMQ does.
// The name is ConnectionState.Name. The error says that there is none of that
// name.
func (b *Broker) CloseConnection(name, reason string) error {
	b.mu.Lock()
	i := slices.IndexFunc(b.sessions, func(s *session) bool { return s.name == name })
	if i < 0 {
		b.mu.Unlock()
		return fmt.Errorf("amqp: broker: no connection %q", name)
	}
	b.sessions[i].last(output{kind: outClose, code: wire.ConnectionForced, text: clip("CONNECTION_FORCED - " + reason)})
	b.finish(nil)
	return nil
}

// Authenticate tells whether the user has this password, and the user's tags.
func (b *Broker) Authenticate(user, password string) (tags []string, ok bool) {
	if b.users == nil {
		return nil, false
	}
	u := b.users.authenticate(user, password)
	if u == nil {
		return nil, false
	}
	return slices.Clone(u.Tags), true
}
