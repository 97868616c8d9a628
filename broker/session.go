package broker

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// session is a client's connection: core's handler on the loop, and a part of the
// state under Broker.mu.
type session struct {
	broker *Broker
	conn   *driver.Conn
	secure bool // by TLS
	core   *core.Conn

	// Of the loop: memory for what is sent.
	content core.Content
	deliver wire.BasicDeliver
	ack     wire.BasicAck
	paused  pause

	// Under Broker.mu.
	name      string
	user      *user
	vhost     *vhost // nil until it is open
	channels  map[uint16]*channel
	exclusive map[*mailbox]struct{}
	out       outbox
	blocked   bool
	gone      bool  // nothing more is done for it
	delay     alarm // of connection.open, by a rule of On
	about     sessionInfo
}

// sessionInfo is what the state shows and only the loop can know.
type sessionInfo struct {
	openedAt     time.Time
	mechanism    string
	properties   wire.RawTable // decoded, they would be the most of an idle session
	cancelNotify bool
	channelMax   uint16
	frameMax     uint32
	heartbeat    time.Duration
	traffic      core.Traffic
	buffered     int
}

func (b *Broker) newSession(d *driver.Conn, secure bool) *session {
	return &session{broker: b, conn: d, secure: secure}
}

// OnAuth implements core.ServerHandler.
func (s *session) OnAuth(c *core.Conn, mechanism string, response wire.Secret) {
	b := s.broker
	s.core = c
	s.enrol(mechanism)
	name, password, err := parseResponse(mechanism, response)
	if err != nil || mechanism == "PLAIN" && b.traits.strictPlain && !strings.HasPrefix(response.Reveal(), "\x00") {
		b.settings.logger.Warn("login with a malformed response", "connection", s.name, "mechanism", mechanism)
		s.conn.Abort()
		return
	}
	u := b.users.authenticate(name, password.Reveal())
	switch {
	case u == nil:
		s.refuse(mechanism, name, fmt.Sprintf("Login was refused using authentication mechanism %s. For details see the broker logfile.", mechanism))
		return
	case u.LoopbackOnly && !isLoopback(s.conn.RemoteAddr()):
		s.refuse(mechanism, name, fmt.Sprintf("Login was refused using authentication mechanism %s: user '%s' can only connect via localhost", mechanism, name))
		return
	}
	b.mu.Lock()
	s.user = u
	b.mu.Unlock()
	_ = c.Accept() // asked by core just now
}

func parseResponse(mechanism string, response wire.Secret) (string, wire.Secret, error) {
	if mechanism == "AMQPLAIN" {
		return core.ParseAMQPlain(response)
	}
	return core.ParsePlain(response)
}

// enrol makes the session part of the state.
func (s *session) enrol(mechanism string) {
	b := s.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.name != "" {
		return
	}
	s.name = fmt.Sprintf("%s -> %s", s.conn.RemoteAddr(), s.conn.LocalAddr())
	s.about = sessionInfo{openedAt: b.clock.now(), mechanism: mechanism, properties: s.core.PeerRawProperties(), cancelNotify: s.core.HasCapability("consumer_cancel_notify")}
	s.channels = make(map[uint16]*channel)
	b.sessions = append(b.sessions, s)
}

func (s *session) refuse(mechanism, user, text string) {
	s.broker.settings.logger.Warn("login refused", "connection", s.name, "user", user, "mechanism", mechanism)
	_ = s.core.Refuse(wire.AccessRefused, clip("ACCESS_REFUSED - "+text)) // asked by core just now
}

// OnOpen implements core.ServerHandler.
func (s *session) OnOpen(c *core.Conn, name string) {
	if s.admits(c, name) {
		s.open(c, name)
	}
}

// open answers connection.open.
func (s *session) open(c *core.Conn, name string) {
	b := s.broker
	tooSmall := c.FrameMax() < b.traits.frameMin
	b.mu.Lock()
	v, refusal := s.enter(name)
	if refusal == nil && !tooSmall {
		s.vhost = v
		s.about.channelMax, s.about.frameMax, s.about.heartbeat = c.ChannelMax(), c.FrameMax(), c.Heartbeat()
	}
	b.observe()
	b.mu.Unlock()
	switch {
	case tooSmall:
		b.settings.logger.Warn("connection dropped", "connection", s.name, "frame_max", c.FrameMax(), "least", b.traits.frameMin)
		s.conn.Abort()
	case refusal != nil:
		b.settings.logger.Warn("connection refused", "connection", s.name, "reason", refusal.text)
		_ = c.Refuse(refusal.code, refusal.text)
	default:
		b.settings.logger.Info("connection opened", "connection", s.name, "user", s.user.Name, "vhost", name)
		_ = c.Accept()
	}
}

// enter finds a virtual host that the user may open.
func (s *session) enter(name string) (*vhost, *exception) {
	v := s.broker.vhosts[name]
	switch {
	case !s.broker.running:
		return nil, &exception{wire.ConnectionForced, shutdownText}
	case v == nil:
		return nil, raise(wire.NotAllowed, "vhost %s not found", name)
	case !s.user.mayOpen(name):
		return nil, raise(wire.NotAllowed, "access to vhost '%s' refused for user '%s'", name, s.user.Name)
	}
	return v, s.broker.mayAddConnection()
}

// OnChannel implements core.ServerHandler.
func (s *session) OnChannel(_ *core.Conn, c *core.Channel) core.ServerChannelHandler {
	ch := &channel{session: s, core: c, number: c.Number()}
	s.broker.mu.Lock()
	s.channels[ch.number] = ch
	s.broker.channels++
	if x := s.broker.mayAddChannel(); x != nil {
		s.fail(x, wire.ChannelOpenID)
	}
	s.broker.finish(s)
	return ch
}

// OnUpdateSecret implements core.ServerHandler. There are no secrets that expire,
// so any is as good as the one before.
func (s *session) OnUpdateSecret(c *core.Conn, _ wire.Secret, _ string) { _ = c.Accept() }

// OnWritable implements core.ServerHandler: core has room for what it refused.
func (s *session) OnWritable(*core.Conn) {
	stuck := s.out.stuck
	s.out.stuck = nil
	if !s.flush(stuck) {
		return
	}
	s.resume(pauseUnread)
	s.broker.mu.Lock()
	s.out.choked = false
	s.broker.finish(s)
}

// OnDrain implements driver.Drainer: others have put something into the outbox.
func (s *session) OnDrain(*core.Conn, time.Time) {
	s.broker.mu.Lock()
	s.broker.finish(s)
}

// OnClose implements core.ServerHandler.
func (s *session) OnClose(_ *core.Conn, err error) {
	b := s.broker
	b.mu.Lock()
	s.leave()
	b.sessions = slices.DeleteFunc(b.sessions, func(o *session) bool { return o == s })
	b.finish(nil)
	if s.name != "" {
		b.settings.logger.Info("connection closed", "connection", s.name, "reason", err)
	}
}

// leave gives back what is left when the connection has ended.
func (s *session) leave() {
	s.broker.clock.set(&s.delay, never)
	s.end()
	s.out.waiting, s.out.stuck, s.out.starved = nil, nil, nil
}

func (s *session) sortedChannels() []*channel {
	all := make([]*channel, 0, len(s.channels))
	for _, ch := range s.channels {
		all = append(all, ch)
	}
	slices.SortFunc(all, func(a, b *channel) int { return int(a.number) - int(b.number) })
	return all
}

// fail ends the connection with an exception.
func (s *session) fail(x *exception, about wire.MethodID) {
	s.last(output{kind: outFail, code: x.code, text: x.text, about: about})
}

// last has the client hear nothing more than this, which ends the connection. What
// the session holds is given back at once.
func (s *session) last(o output) {
	s.push(o)
	s.end()
}

// end gives back what the session holds: channels first, then the queues that are
// its own.
func (s *session) end() {
	for _, ch := range s.sortedChannels() {
		ch.leave()
	}
	for q := range s.exclusive {
		q.remove()
	}
	s.gone = true
}
