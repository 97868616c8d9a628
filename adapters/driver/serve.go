package driver

import (
	"context"
	"crypto/tls"
	"errors"
	"math"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// ServeOptions say how clients are served.
type ServeOptions struct {
	// NewHandler makes the handler of a client that has connected. It must not be
	// nil, nor return nil. It is called by a goroutine of the server, before
	// anything of the client is read; d is the connection, whose
	// AddCallbackThreadsafe, CallLater, TLS and addresses work from the handler's
	// first call on. A handler that is a Drainer is told of d.Notify, one that is a
	// Tracer of frames.
	NewHandler func(d *Conn) core.ServerHandler
	// Server is the AMQP side: mechanisms, limits, timeouts. Host is filled in
	// with the address of each client.
	Server core.ServerConfig
	// TLS, if it is not nil, has clients speak TLS from the first byte on. It
	// needs a certificate, and is read and never changed. What is left zero means
	// TLS 1.2 or newer. The TLS handshake must be done within
	// Server.HandshakeTimeout.
	TLS *tls.Config
	// OnError is told of what belongs to no open connection: a listener that
	// fails to accept (*net.OpError; it is tried again after a pause), a TLS
	// handshake that fails (*TLSError), a loop that refuses a connection. Any
	// goroutine of the server may call it. Nil: nobody is told.
	OnError func(error)
}

// Drainer is a handler with a queue of its own for what other goroutines have to
// say to its client.
type Drainer interface {
	// OnDrain runs on the loop after Conn.Notify, once for any number of calls,
	// before what is to be sent leaves. It may use every user-side method of c.
	OnDrain(c *core.Conn, now time.Time)
}

// Tracer is a handler that sees its client's frames, instead of Server.Trace.
type Tracer interface {
	// OnTrace is told of every frame that is sent or received, as
	// core.ServerConfig.Trace is. It must not call the connection.
	OnTrace(f *core.TraceFrame)
}

// Server accepts clients and runs them on a loop. Its methods may be called from
// any goroutine.
type Server struct {
	loop     adapters.Loop
	listener net.Listener
	options  ServeOptions
	ctx      context.Context // ended by Close
	cancel   context.CancelFunc
	running  sync.WaitGroup // accepting, and each connection
	done     chan struct{}

	mu     sync.Mutex
	conns  map[*Conn]struct{}
	closed bool
}

// Serve accepts clients from the listener, which it takes over, and runs them on
// the loop. It returns at once. Wrong options (see
// ServeOptions.Validate) end it: Done is closed and OnError has been told.
func Serve(l adapters.Loop, ln net.Listener, o ServeOptions) *Server {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{loop: l, listener: ln, options: o, ctx: ctx, cancel: cancel, done: make(chan struct{}), conns: map[*Conn]struct{}{}}
	if s.options.OnError == nil {
		s.options.OnError = func(error) {}
	}
	if err := o.Validate(); err != nil {
		s.options.OnError(err)
		s.Close()
		close(s.done)
		return s
	}
	s.running.Go(s.accept)
	go func() {
		s.running.Wait()
		close(s.done)
	}()
	return s
}

// Validate finds what Serve would refuse. The error is a *core.ConfigError.
func (o *ServeOptions) Validate() error {
	if o.NewHandler == nil {
		return &core.ConfigError{Field: "NewHandler", Value: nil, Want: "a function"}
	}
	if c := o.TLS; c != nil && len(c.Certificates) == 0 && c.GetCertificate == nil && c.GetConfigForClient == nil {
		return &core.ConfigError{Field: "TLS", Value: "without a certificate", Want: "nil, or with one"}
	}
	_, err := core.NewServer(o.Server, refusing{})
	return err
}

// refusing is a handler for a connection that never begins.
type refusing struct{ core.NopServer }

func (refusing) OnAuth(c *core.Conn, _ string, _ wire.Secret) { c.Refuse(wire.AccessRefused, "") }

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Close stops listening and closes every connection with the code 320
// (CONNECTION_FORCED). It returns at once; Done tells when all have ended, which
// Server.CloseTimeout bounds. Calls after the first change nothing. The error is
// the listener's.
func (s *Server) Close() error {
	return s.stop(func(d *Conn) {
		_ = d.AddCallbackThreadsafe(func(c *core.Conn) { // it has ended, or will be told
			_ = c.Close(wire.ConnectionForced, "server is shutting down") // it is closing already
		})
	})
}

// Abort stops listening and drops every connection. It returns at once.
func (s *Server) Abort() { _ = s.stop((*Conn).Abort) }

func (s *Server) stop(end func(*Conn)) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		s.cancel()
		err = s.listener.Close()
	}
	for d := range s.conns {
		end(d)
	}
	return err
}

// Done is closed when a server that was closed has ended, and all its connections
// with it.
func (s *Server) Done() <-chan struct{} { return s.done }

// Conns is the number of connections, those in a handshake included.
func (s *Server) Conns() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Pauses after accepting failed, for instance because the process has no
// descriptors left.
const (
	acceptPause    = 5 * time.Millisecond
	acceptPauseMax = time.Second
)

func (s *Server) accept() {
	pause := acceptPause
	for {
		conn, err := s.listener.Accept()
		switch {
		case err == nil:
			pause = acceptPause
			s.begin(conn)
		case s.ctx.Err() != nil:
			return
		case errors.Is(err, net.ErrClosed): // by somebody else
			s.options.OnError(err)
			return
		default:
			s.options.OnError(err)
			if !sleep(s.ctx, pause) {
				return
			}
			pause = min(2*pause, acceptPauseMax)
		}
	}
}

// begin makes a connection of what was accepted.
func (s *Server) begin(conn net.Conn) {
	d := &Conn{server: s}
	ctx := s.ctx
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		conn.Close()
		return
	}
	if s.options.TLS != nil {
		ctx, d.cancel = context.WithCancel(ctx)
	}
	s.conns[d] = struct{}{}
	s.running.Add(1)
	s.mu.Unlock()
	if s.options.TLS == nil {
		s.attach(d, conn, nil)
		return
	}
	go func() {
		tls, err := s.secure(ctx, conn)
		d.connected()
		if err != nil {
			s.refuse(d, err)
			return
		}
		s.attach(d, conn, tls)
	}()
}

// secure does the server's side of the TLS handshake.
func (s *Server) secure(ctx context.Context, conn net.Conn) (*secured, error) {
	cfg := s.options.TLS.Clone()
	secureDefaults(cfg)
	limit := s.options.Server.HandshakeTimeout
	switch limit {
	case 0:
		limit = core.DefaultHandshakeTimeout
	case core.Off:
		limit = math.MaxInt64
	}
	secured, err := handshakeTLS(ctx, limit, conn, func(c net.Conn) *tls.Conn { return tls.Server(c, cfg) })
	if err != nil {
		return nil, &TLSError{Host: conn.RemoteAddr().String(), Err: err, served: true}
	}
	return secured, nil
}

// attach brings the connection to the loop.
func (s *Server) attach(d *Conn, conn net.Conn, tls *secured) {
	cfg := s.options.Server
	cfg.Host = conn.RemoteAddr().String()
	session := &session{conn: d, tls: tls, served: true}
	h, err := s.newHandler(d)
	if drainer, ok := h.(Drainer); ok {
		d.onDrain = drainer.OnDrain
	}
	if tracer, ok := h.(Tracer); ok {
		cfg.Trace = tracer.OnTrace
	}
	if err == nil {
		session.core, err = core.NewServer(cfg, h)
	}
	if err != nil {
		conn.Close()
	} else {
		err = session.attach(s.loop, conn)
	}
	if err != nil {
		s.refuse(d, err)
	}
	if errors.Is(err, adapters.ErrClosed) { // the loop takes nothing any more
		s.Abort()
	}
}

// newHandler asks for a handler. A panic costs the one connection.
func (s *Server) newHandler(d *Conn) (h core.ServerHandler, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &adapters.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return s.options.NewHandler(d), nil
}

// refuse ends a connection that did not come to be.
func (s *Server) refuse(d *Conn, err error) {
	if s.ctx.Err() == nil {
		s.options.OnError(err)
	}
	d.finish(err)
	d.conclude()
	s.forget(d)
}

// forget is told by the connection at its end.
func (s *Server) forget(d *Conn) {
	s.mu.Lock()
	delete(s.conns, d)
	s.mu.Unlock()
	s.running.Done()
}
