package core

import (
	"fmt"
	"time"
	"unique"

	"github.com/haypile/haypile/core/wire"
)

// Conn is one AMQP 0-9-1 connection as a state machine: bytes and time go in,
// bytes and callbacks come out. It owns no socket, goroutine, lock or clock.
//
// A Conn is not safe for concurrent use: all calls on it and on its channels
// belong to one goroutine at a time. Methods of the driver side (Start, Feed,
// Tick, Lost, Advance, SetReading) may run callbacks and panic when they are
// called from inside one. All other methods are legal inside callbacks and
// never run one.
type Conn struct {
	role    role
	state   State
	asked   decision // what the embedder of a server must decide
	intact  bool     // the driver-side method in progress has not panicked
	broken  bool     // a callback panicked: only Lost is left
	fresh   bool     // now was handed in by the call in progress
	ended   bool     // the handler's OnClose has been called
	blocked bool
	met     bool // the peer has introduced itself
	choked  bool // ErrBackpressure was returned, OnWritable is owed
	inside  driverCall

	cfg    settings
	client ClientHandler // of the client's role
	server ServerHandler // of the server's role

	zero   time.Time             // the first time given
	now    moment                // the latest
	shake  *handshake            // nil once open
	peer   unique.Handle[string] // see introduction
	limits limits
	cause  error // why the connection ends; nil for an orderly close by us

	in      input
	out     output
	scratch *scratch // absent while nothing is sent
	counts  counts
	dl      deadlines

	channels channelTable
	closing  fifo[*Channel] // channels that wait for channel.close-ok, oldest first

	updates    *fifo[func(error)] // UpdateSecret that is not answered yet; absent while there is none
	secrets    uint32             // update-secret that is not answered yet
	unanswered uint32             // requests on all channels, and these
	answers    answers

	serial *serial // nil unless Config.Serial
}

// scratch holds what is encoded or decoded once per message, so that none of it
// is allocated once per message.
type scratch struct {
	publish wire.BasicPublish  // the last one that was encoded, see envelope
	on      uint16             // the channel that it was encoded for
	frame   []byte             // its encoding
	checked wire.RawProperties // a copy of the last ones that passed Check
	ack     wire.BasicAck
	nack    wire.BasicNack
	reject  wire.BasicReject
	props   []byte
}

// desk is the scratch, there on demand.
func (c *Conn) desk() *scratch {
	if c.scratch == nil {
		c.scratch = new(scratch)
	}
	return c.scratch
}

// limits are the values that connection.tune settled.
type limits struct {
	channelMax uint16
	frameMax   uint32
	heartbeat  time.Duration
}

// NewClient returns the client's side of a connection that has not begun.
// Nothing is sent before Start. An error (a *ConfigError) names the field that
// is out of range. The config is copied; its tables and mechanisms are read
// during the handshake and never changed.
//
// The handler may be nil where nobody listens.
func NewClient(cfg ClientConfig, h ClientHandler) (*Conn, error) {
	cfg, err := cfg.normalize()
	if err != nil {
		return nil, err
	}
	if h == nil {
		h = NopClient{}
	}
	c := &Conn{role: roleClient, client: h, cfg: cfg.settings(), shake: &handshake{client: cfg}}
	if cfg.Serial {
		c.serial = &serial{}
	}
	c.limits.frameMax = preTuneFrameMax
	return c, nil
}

// NewServer returns the server's side of a connection that has not begun: it
// waits for a client's protocol header. The same machine as the client's, with
// the same driver side. An error (a *ConfigError) names the field that is out of
// range. The config is copied; its table is read during the handshake and never
// changed.
//
// The handler must not be nil, since somebody has to judge credentials.
func NewServer(cfg ServerConfig, h ServerHandler) (*Conn, error) {
	cfg, err := cfg.normalize()
	if err != nil {
		return nil, err
	}
	if h == nil {
		return nil, &ConfigError{"handler", "nil", "set"}
	}
	c := &Conn{role: roleServer, server: h, cfg: cfg.settings(), shake: &handshake{server: cfg}}
	c.limits.frameMax = cfg.InitialFrameMax
	return c, nil
}

// Start arms the handshake deadline, and a client sends the protocol header. A
// second call returns ErrStarted and changes nothing.
func (c *Conn) Start(now time.Time) error {
	c.enter(callStart)
	defer c.leave()
	c.intact = true // no callback runs
	if c.state != StateIdle {
		return ErrStarted
	}
	c.setNow(now)
	c.state = StateStarting
	if c.role == roleClient {
		c.out.append(wire.ProtocolHeader)
	}
	c.arm(dlHandshake)
	c.dl.lastRead, c.dl.lastWrite = c.now, c.now
	return nil
}

// Feed consumes bytes that the transport read, all of them, and retains none:
// p may be reused when Feed returns. Callbacks run from inside it. It returns
// no error because the right answer to every protocol error is to go on
// pumping (a connection.close must still leave) until Finished.
func (c *Conn) Feed(p []byte, now time.Time) {
	if c.broken {
		return
	}
	c.enter(callFeed)
	defer c.leave()
	c.setNow(now)
	c.counts.bytesReceived += uint64(len(p))
	if len(p) > 0 {
		c.dl.heard(c.now)
	}
	for len(p) > 0 && c.reading() {
		if n := c.wholeDelivery(p); n > 0 {
			p = p[n:]
			continue
		}
		p = c.parse(p)
	}
	c.in.own()
	c.settle()
	c.sweep()
	c.intact = true
}

// Tick acts on every deadline that has passed by now, and sends a heartbeat that is
// due within HeartbeatLead. Spurious and late calls are harmless.
func (c *Conn) Tick(now time.Time) {
	if c.broken || c.state == StateIdle {
		return
	}
	c.enter(callTick)
	defer c.leave()
	c.setNow(now)
	c.expire()
	c.sweep()
	c.intact = true
}

// Lost tells that the transport ended, with its error, or nil or io.EOF for a
// clean end by the peer. Whatever is still open ends now: after Lost the Conn
// is Finished and every OnClose has run. Calls after the first change nothing.
func (c *Conn) Lost(err error, now time.Time) {
	c.enter(callLost)
	defer c.leave()
	c.setNow(now)
	c.out.discard()
	if c.ended {
		c.state = StateClosed
		c.intact = true
		return
	}
	if c.cause == nil && c.state != StateAborted {
		c.cause = c.lostCause(err)
	}
	c.finish()
	c.intact = true
}

// SetReading tells that the driver stopped reading from the transport (false)
// or reads again (true). While off, the receive deadline of the heartbeats is
// suspended, since silence then proves nothing; on resume it starts in full.
func (c *Conn) SetReading(on bool, now time.Time) {
	if c.broken {
		return
	}
	c.enter(callSetReading)
	defer c.leave()
	c.setNow(now)
	if on && c.dl.deaf {
		c.dl.heard(c.now)
	}
	c.dl.deaf = !on
	c.intact = true
}

// Outbound appends the bytes to be sent, as segments in order, to dst. They
// stay valid until the next call of any method on c or one of its channels.
// After writing some of them, tell how many bytes the transport took by Advance.
func (c *Conn) Outbound(dst [][]byte) [][]byte {
	if c.broken || c.out.len() == 0 {
		return dst
	}
	return c.out.segments(dst)
}

// Advance tells that the transport took the first n bytes of Outbound. It may
// run OnWritable and release loans. n beyond what is pending is cut to it.
func (c *Conn) Advance(n int) {
	if c.broken || n <= 0 {
		return
	}
	c.enter(callAdvance)
	defer c.leave()
	c.answers.sent += uint64(min(n, c.out.len()))
	for n > 0 {
		left, release := c.out.advance(n)
		if n = left; release != nil {
			release(nil)
		}
	}
	c.dl.lastWrite = c.now
	c.unchoke()
	c.intact = true
}

// unchoke tells that there is room again, once after any number of refusals.
func (c *Conn) unchoke() {
	if !c.choked || c.state != StateOpen || c.blocked && c.role == roleClient || c.queued() > c.cfg.maxBuffered/2 {
		return
	}
	c.choked = false
	if c.role == roleServer {
		c.server.OnWritable(c)
	} else {
		c.client.OnWritable(c)
	}
}

// Buffered is the number of bytes that wait in Outbound, and of those that
// ClientConfig.Serial holds back.
func (c *Conn) Buffered() int { return c.queued() }

// Finished tells that nothing is left to read, write or wait for: close the
// transport.
func (c *Conn) Finished() bool {
	return c.state == StateClosed && c.out.len() == 0
}

// Host is the label of the peer from the config, as errors name it.
func (c *Conn) Host() string { return c.cfg.host }

// State is where the connection stands in the table of the package comment.
func (c *Conn) State() State { return c.state }

// IsOpen tells that channels can be opened and used.
func (c *Conn) IsOpen() bool { return c.state == StateOpen }

// IsBlocked tells that the server sent connection.blocked and has not yet taken
// it back.
func (c *Conn) IsBlocked() bool { return c.blocked }

// Err is why the connection ended or is about to: nil while it is open and
// after an orderly close by us, else an *Error, a *TransportError or a
// *NotAMQPError.
func (c *Conn) Err() error { return c.cause }

// ChannelMax is the highest channel number, as negotiated by connection.tune;
// 0 before that.
func (c *Conn) ChannelMax() uint16 { return c.limits.channelMax }

// FrameMax is the largest frame in bytes, header and end octet included, as
// negotiated by connection.tune.
func (c *Conn) FrameMax() uint32 { return c.limits.frameMax }

// Heartbeat is the negotiated interval; 0 means that there are none.
func (c *Conn) Heartbeat() time.Duration { return c.limits.heartbeat }

// PeerProperties is what the peer said about itself during the handshake
// (product, version, capabilities, …), decoded anew by each call; nil before: a
// server in connection.start, a client in connection.start-ok.
func (c *Conn) PeerProperties() wire.Table {
	peer := c.introduction()
	if peer == nil {
		return nil
	}
	t, err := peer.Decode(wire.Limits{})
	if err != nil {
		return nil // the same bytes were decoded without an error on arrival
	}
	return t
}

// PeerRawProperties is PeerProperties as it came, which may be kept and must not
// be changed.
func (c *Conn) PeerRawProperties() wire.RawTable { return c.introduction() }

// HasCapability tells whether the peer announced the capability, such as
// "publisher_confirms", as true.
func (c *Conn) HasCapability(name string) bool {
	v, _, err := c.introduction().Lookup("capabilities")
	if err != nil {
		return false
	}
	capabilities, _ := v.(wire.Table)
	on, _ := capabilities[name].(bool)
	return on
}

// driverCall is a method of the driver's side, of those that run one at a time.
type driverCall uint8

const (
	callNone driverCall = iota
	callStart
	callFeed
	callTick
	callLost
	callSetReading
	callAdvance
)

var driverCalls = [...]string{"", "Start", "Feed", "Tick", "Lost", "SetReading", "Advance"}

// enter marks the start of a driver-side method. Being inside one already
// means that a callback called it, which would run the machine on its own
// half-made state.
func (c *Conn) enter(call driverCall) {
	if c.inside != callNone {
		panic(fmt.Sprintf("amqp: core: %s called from inside a callback of %s", driverCalls[call], driverCalls[c.inside]))
	}
	c.inside, c.intact = call, false
}

// leave undoes enter, also when a callback panicked: then the machine may be
// half-changed and accepts only Lost.
func (c *Conn) leave() {
	c.inside, c.fresh = callNone, false
	if !c.intact {
		c.broken = true
	}
}

func (c *Conn) setNow(now time.Time) {
	if c.zero.IsZero() {
		c.zero = now
	}
	c.now = max(c.now, moment(now.Sub(c.zero)))
	c.fresh = true
	c.startLate()
}

// reading tells whether input is still looked at.
func (c *Conn) reading() bool {
	return c.state != StateIdle && c.state != StateClosed && c.state != StateAborted && !c.in.lost
}
