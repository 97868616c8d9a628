package core

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/haypile/haypile/core/wire"
)

// handshake keeps what connection.start told.
type handshake struct {
	server    wire.RawTable
	mechanism Mechanism
	response  int // bytes of our start-ok frame, to explain a broker that hangs up on it
}

// onStart answers connection.start: the version must be 0-9 (which is how
// 0-9-1 calls itself), and one of our mechanisms must be on offer.
func (c *Conn) onStart(args []byte) error {
	var m wire.ConnectionStart
	if err := c.in.plain().Method(args, &m); err != nil {
		return err
	}
	if m.VersionMajor != 0 || m.VersionMinor != 9 {
		return &NotAMQPError{c.cfg.Host, []byte{'A', 'M', 'Q', 'P', 0, m.VersionMajor, m.VersionMinor, 0}}
	}
	server, err := m.ServerProperties.AppendTo(nil)
	if err != nil {
		return err
	}
	c.start.server = wire.RawTable(slices.Clip(server[4:]))
	if c.start.mechanism = c.choose(strings.Fields(m.Mechanisms)); c.start.mechanism == nil {
		return offend(wire.AccessRefused, "the broker offers the mechanisms %q, none of ours: %s", m.Mechanisms, c.ourMechanisms())
	}
	response, err := c.start.mechanism.Response()
	if err != nil {
		return c.unauthenticated(err)
	}
	return c.sendStartOk(response)
}

// unauthenticated is the end that a mechanism's error leads to.
func (c *Conn) unauthenticated(err error) error {
	return &offence{code: wire.AccessRefused, text: fmt.Sprintf("authenticating by %s: %s", c.start.mechanism.Name(), untitled(err)), err: err}
}

func (c *Conn) choose(offered []string) Mechanism {
	for _, m := range c.cfg.Mechanisms {
		if slices.Contains(offered, m.Name()) {
			return m
		}
	}
	return nil
}

func (c *Conn) ourMechanisms() string {
	names := make([]string, len(c.cfg.Mechanisms))
	for i, m := range c.cfg.Mechanisms {
		names[i] = m.Name()
	}
	return strings.Join(names, " ")
}

func (c *Conn) sendStartOk(response wire.Secret) error {
	before := c.out.len()
	err := c.sendWithin(0, &wire.ConnectionStartOk{
		ClientProperties: c.cfg.clientProperties(),
		Mechanism:        c.start.mechanism.Name(),
		Response:         response,
		Locale:           c.cfg.Locale,
	}, c.cfg.InitialFrameMax)
	c.start.response = c.out.len() - before
	return err
}

func (c *Conn) onSecure(args []byte) error {
	var m wire.ConnectionSecure
	if err := c.in.plain().Method(args, &m); err != nil {
		return err
	}
	response, err := c.start.mechanism.Challenge(m.Challenge)
	if err != nil {
		return c.unauthenticated(err)
	}
	return c.sendWithin(0, &wire.ConnectionSecureOk{Response: response}, c.cfg.InitialFrameMax)
}

// onTune settles the limits and asks for the virtual host in the same breath.
func (c *Conn) onTune(args []byte) error {
	var m wire.ConnectionTune
	if err := c.in.plain().Method(args, &m); err != nil {
		return err
	}
	if m.FrameMax != 0 && m.FrameMax < wire.FrameMinSize {
		return offend(wire.SyntaxError, "frame-max of %d bytes, the least is %d", m.FrameMax, wire.FrameMinSize)
	}
	heartbeat, err := c.cfg.heartbeat(time.Duration(m.Heartbeat) * time.Second)
	if err != nil {
		return err
	}
	c.limits = limits{
		channelMax: smaller(c.cfg.ChannelMax, m.ChannelMax),
		frameMax:   smaller(c.cfg.FrameMax, m.FrameMax),
		heartbeat:  heartbeat,
	}
	err = c.send(0, &wire.ConnectionTuneOk{
		ChannelMax: c.limits.channelMax,
		FrameMax:   c.limits.frameMax,
		Heartbeat:  uint16(heartbeat / time.Second),
	})
	if err != nil {
		return err
	}
	return c.send(0, &wire.ConnectionOpen{VirtualHost: c.cfg.VirtualHost})
}

// smaller is the negotiation of limits in which 0 means none.
func smaller[T uint16 | uint32](a, b T) T {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// heartbeat decides the interval, zero for none.
func (cfg *ClientConfig) heartbeat(proposed time.Duration) (time.Duration, error) {
	d := cfg.Heartbeat
	if cfg.HeartbeatFunc != nil {
		d = cfg.HeartbeatFunc(proposed)
		if err := checkHeartbeat("what HeartbeatFunc returned", d); err != nil {
			return 0, err
		}
	}
	return max(d, 0), nil
}

func (c *Conn) onOpenOk([]byte) error {
	c.start.mechanism, c.cfg.Mechanisms, c.cfg.Properties = nil, nil, nil
	c.disarm(dlHandshake)
	c.handler.OnOpen(c)
	return nil
}
