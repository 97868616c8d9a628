package differential

import (
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/haypile/haypile/core/coretest"
	"github.com/haypile/haypile/core/wire"
)

var addressed = regexp.MustCompile(`^([a-z]+): (.*)$`)

// command does what the text says. With more, it leaves with the next command.
func (p *player) command(text string, more bool) error {
	name := "a"
	if m := addressed.FindStringSubmatch(text); m != nil {
		name, text = m[1], m[2]
	}
	verb, rest, _ := strings.Cut(p.names.show(text), " ")
	switch verb {
	case "connect":
		return p.connect(rest)
	case "dial":
		_, err := p.newPeer(firstOr(rest, "a"), false)
		return err
	}
	i := slices.IndexFunc(p.peers, func(c *peer) bool { return c.name == name })
	if i < 0 {
		return fmt.Errorf("no connection %q", name)
	}
	c := p.peers[i]
	if p.record && c.over() {
		return errors.New("the connection has ended")
	}
	if verb == "hang-up" {
		return c.conn.Close()
	}
	b, err := p.bytes(c, verb, rest)
	if err != nil {
		return err
	}
	p.joined = append(p.joined, b...)
	if !more {
		c.write(p.joined)
		p.joined = nil
	}
	return nil
}

func firstOr(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func (p *player) newPeer(name string, manual bool) (*peer, error) {
	if slices.ContainsFunc(p.peers, func(c *peer) bool { return c.name == name }) {
		return nil, fmt.Errorf("there is a connection %q already", name)
	}
	conn, err := p.dial()
	if err != nil {
		return nil, err
	}
	c := newPeer(name, conn, manual, p.notify)
	p.peers = append(p.peers, c)
	return c, nil
}

// bytes are what the command sends on the connection.
func (p *player) bytes(c *peer, verb, rest string) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch verb {
	case "raw":
		c.occupy()
		return unhex(rest)
	case "text":
		c.occupy()
		s, err := strconv.Unquote(rest)
		return []byte(s), err
	}
	channel, err := strconv.ParseUint(verb, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("%q is no command", verb)
	}
	return p.onChannel(c, uint16(channel), rest)
}

// occupy keeps round trips away from channels that could not take one.
func (p *peer) occupy() {
	for _, l := range p.open {
		l.busy = true
	}
}

func unhex(s string) ([]byte, error) { return hex.DecodeString(strings.ReplaceAll(s, " ", "")) }

func (p *player) onChannel(c *peer, channel uint16, command string) ([]byte, error) {
	l := c.open[channel]
	if l == nil {
		l = &lane{} // of a channel that is not open nothing is remembered
	}
	verb, rest, _ := strings.Cut(command, " ")
	l.busy = true
	switch verb {
	case "alone":
		return p.method(c, channel, rest, false)
	case "header":
		var class uint16
		var size uint64
		if _, err := fmt.Sscan(rest, &class, &size); err != nil {
			return nil, err
		}
		l.busy = size > 0
		return wire.AppendHeaderFrame(nil, channel, class, size, nil), nil
	case "method", "frame":
		kind := uint64(wire.FrameMethod)
		if verb == "frame" {
			var number string
			number, rest, _ = strings.Cut(rest, " ")
			var err error
			if kind, err = strconv.ParseUint(number, 10, 8); err != nil {
				return nil, err
			}
		}
		payload, err := unhex(rest)
		return wire.Frame{Type: wire.FrameType(kind), Channel: channel, Payload: payload}.AppendTo(nil), err
	}
	l.busy = false
	if verb == "body" {
		return wire.AppendBodyFrame(nil, channel, []byte(rest)), nil
	}
	return p.method(c, channel, command, true)
}

// method is a method as a script writes it.
func (p *player) method(c *peer, channel uint16, text string, content bool) ([]byte, error) {
	m, err := coretest.Parse(text)
	if err != nil {
		return nil, err
	}
	if err := retype(m); err != nil {
		return nil, err
	}
	switch m := m.Method.(type) {
	case *wire.ConnectionOpen:
		if m.VirtualHost == "/" {
			m.VirtualHost = p.vhost
		}
	case *wire.QueueDeclare:
		p.left["queue "+m.Queue] = true
	case *wire.ExchangeDeclare:
		p.left["exchange "+m.Exchange] = true
	}
	c.note(channel, m.Method, false)
	b, err := wire.AppendMethodFrame(nil, channel, m.Method)
	if err == nil && content && m.Method.ID().HasContent() {
		b = wire.AppendHeaderFrame(b, channel, wire.ClassBasic, uint64(len(m.Body)), m.Properties)
		b = wire.AppendBody(b, channel, m.Body, c.frameMax)
	}
	return b, err
}

// options of connect.
type options struct {
	name, user, password, vhost, without string
	channels                             int
	manual                               bool
	tune                                 wire.ConnectionTuneOk
}

func parseOptions(s, vhost string) (o options, err error) {
	o = options{name: "a", user: "guest", vhost: vhost, channels: 1}
	for _, field := range strings.Fields(s) {
		key, value, given := strings.Cut(field, "=")
		n, numberErr := strconv.Atoi(value)
		switch {
		case key == "manual":
			o.manual = true
		case !given:
			o.name = key
		case key == "user":
			o.user = value
		case key == "password":
			o.password = value
		case key == "without":
			o.without = value
		case key == "vhost" && value != "/":
			o.vhost = value
		case numberErr != nil:
			err = errors.Join(err, fmt.Errorf("%s: %w", key, numberErr))
		case key == "channels":
			o.channels = n
		case key == "channel-max":
			o.tune.ChannelMax = uint16(n)
		case key == "frame-max":
			o.tune.FrameMax = uint32(n)
		case key == "heartbeat":
			o.tune.Heartbeat = uint16(n)
		}
	}
	o.password = firstOr(o.password, o.user)
	return o, err
}

// connect does the handshake and opens channels. What refuses it is left to be
// the answer.
func (p *player) connect(text string) error {
	o, err := parseOptions(text, p.vhost)
	if err != nil {
		return err
	}
	c, err := p.newPeer(o.name, o.manual)
	if err != nil {
		return err
	}
	c.write([]byte(wire.ProtocolHeader))
	for _, s := range o.handshake() {
		if !p.wait(p.bound, func() bool { return c.last(s.after, s.from) || c.over() }) {
			return fmt.Errorf("no %s", s.after)
		}
		if c.over() {
			return nil
		}
		if tune, ok := s.send.(*wire.ConnectionTuneOk); ok {
			c.fit(tune)
		}
		if s.send == nil {
			break
		}
		if err := c.send(s.channel, s.send); err != nil {
			return err
		}
	}
	c.drop(len(c.peek()))
	return nil
}

// exchange is one turn of the handshake: what to send after what has come.
type exchange struct {
	after   wire.MethodID
	from    uint16
	channel uint16
	send    wire.Method
}

func (o *options) handshake() []exchange {
	capabilities := wire.Table{}
	for _, name := range []string{"publisher_confirms", "exchange_exchange_bindings", "basic.nack",
		"consumer_cancel_notify", "connection.blocked", "authentication_failure_close"} {
		capabilities[name] = name != o.without
	}
	all := []exchange{
		{wire.ConnectionStartID, 0, 0, &wire.ConnectionStartOk{
			ClientProperties: wire.Table{"product": "script", "capabilities": capabilities},
			Mechanism:        "PLAIN", Locale: "en_US",
			Response: wire.NewSecret("\x00" + o.user + "\x00" + o.password)}},
		{wire.ConnectionTuneID, 0, 0, &o.tune},
		{wire.ConnectionTuneID, 0, 0, &wire.ConnectionOpen{VirtualHost: o.vhost}},
	}
	after := wire.ConnectionOpenOkID
	for n := range o.channels {
		all = append(all, exchange{after, uint16(n), uint16(n + 1), &wire.ChannelOpen{}})
		after = wire.ChannelOpenOkID
	}
	return append(all, exchange{after, uint16(o.channels), 0, nil})
}

// last tells that the method came last, on that channel.
func (p *peer) last(id wire.MethodID, channel uint16) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.events)
	if n == 0 {
		return false
	}
	e := p.events[n-1]
	return e.method != nil && e.method.ID() == id && e.channel == channel
}

// fit completes what the client wants by what the server offered.
func (p *peer) fit(t *wire.ConnectionTuneOk) {
	p.mu.Lock()
	defer p.mu.Unlock()
	offer, ok := p.events[len(p.events)-1].method.(*wire.ConnectionTune)
	if !ok {
		return
	}
	if t.ChannelMax == 0 {
		t.ChannelMax = offer.ChannelMax
	}
	if t.FrameMax == 0 {
		t.FrameMax = offer.FrameMax
	}
}
