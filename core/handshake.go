package core

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unique"

	"github.com/haypile/haypile/core/wire"
)

// handshake is what is only needed until the connection is open.
type handshake struct {
	client ClientConfig // of the client's role
	server ServerConfig // of the server's role

	mechanism Mechanism
	response  int // bytes of our start-ok frame, to explain a broker that hangs up on it

	want   wire.MethodID // what a server waits for; 0 while its embedder decides
	chosen string        // the mechanism that the client chose
}

// timeout bounds the handshake.
func (h *handshake) timeout(r role) time.Duration {
	if r == roleServer {
		return h.server.HandshakeTimeout
	}
	return h.client.HandshakeTimeout
}

// onStart answers connection.start: the version must be 0-9 (which is how
// 0-9-1 calls itself), and one of our mechanisms must be on offer.
func (c *Conn) onStart(args []byte) error {
	var m wire.ConnectionStart
	if err := c.in.plain().Method(args, &m); err != nil {
		return err
	}
	if m.VersionMajor != 0 || m.VersionMinor != 9 {
		return &NotAMQPError{Host: c.cfg.host, Answer: []byte{'A', 'M', 'Q', 'P', 0, m.VersionMajor, m.VersionMinor, 0}}
	}
	if err := c.meet(m.ServerProperties); err != nil {
		return err
	}
	if c.shake.mechanism = c.choose(strings.Fields(m.Mechanisms)); c.shake.mechanism == nil {
		return offend(wire.AccessRefused, "the broker offers the mechanisms %q, none of ours: %s", m.Mechanisms, c.ourMechanisms())
	}
	response, err := c.shake.mechanism.Response()
	if err != nil {
		return c.unauthenticated(err)
	}
	return c.sendStartOk(response)
}

// meet keeps what the peer said about itself. Peers of many connections mostly say
// the same, and one copy serves all.
func (c *Conn) meet(peer wire.Table) error {
	encoded, err := peer.AppendTo(nil)
	if err == nil {
		c.peer = unique.Make(string(encoded[4:]))
		c.met = true
	}
	return err
}

// introduction is what the peer said about itself, encoded; nil before it did.
func (c *Conn) introduction() wire.RawTable {
	if !c.met {
		return nil
	}
	return wire.RawTable(c.peer.Value())
}

// unauthenticated is the end that a mechanism's error leads to.
func (c *Conn) unauthenticated(err error) error {
	return &offence{code: wire.AccessRefused, text: fmt.Sprintf("authenticating by %s: %s", c.shake.mechanism.Name(), untitled(err)), err: err}
}

func (c *Conn) choose(offered []string) Mechanism {
	for _, m := range c.shake.client.Mechanisms {
		if slices.Contains(offered, m.Name()) {
			return m
		}
	}
	return nil
}

func (c *Conn) ourMechanisms() string {
	names := make([]string, len(c.shake.client.Mechanisms))
	for i, m := range c.shake.client.Mechanisms {
		names[i] = m.Name()
	}
	return strings.Join(names, " ")
}

func (c *Conn) sendStartOk(response wire.Secret) error {
	before := c.out.len()
	err := c.sendWithin(0, &wire.ConnectionStartOk{
		ClientProperties: c.shake.client.clientProperties(),
		Mechanism:        c.shake.mechanism.Name(),
		Response:         response,
		Locale:           c.shake.client.Locale,
	}, c.shake.client.InitialFrameMax)
	c.shake.response = c.out.len() - before
	return err
}

func (c *Conn) onSecure(args []byte) error {
	var m wire.ConnectionSecure
	if err := c.in.plain().Method(args, &m); err != nil {
		return err
	}
	response, err := c.shake.mechanism.Challenge(m.Challenge)
	if err != nil {
		return c.unauthenticated(err)
	}
	return c.answerWithin(0, &wire.ConnectionSecureOk{Response: response}, c.shake.client.InitialFrameMax)
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
	heartbeat, err := c.shake.client.heartbeat(time.Duration(m.Heartbeat) * time.Second)
	if err != nil {
		return err
	}
	c.limits = limits{
		channelMax: smaller(c.cfg.channelMax, m.ChannelMax),
		frameMax:   smaller(c.cfg.frameMax, m.FrameMax),
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
	return c.send(0, &wire.ConnectionOpen{VirtualHost: c.shake.client.VirtualHost})
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
	c.shake = nil
	c.disarm(dlHandshake)
	c.client.OnOpen(c)
	return nil
}
