package core

import (
	"slices"
	"strings"
	"time"

	"github.com/haypile/haypile/core/wire"
)

// decision is what the embedder of a server has been asked and has not yet
// answered by Accept, Refuse or Challenge.
type decision uint8

const (
	undecidedNothing decision = iota
	undecidedAuth
	undecidedOpen
	undecidedSecret
)

// expects tells that a server that is not open yet waits for the method. The
// state table cannot tell: it does not know what the embedder has decided.
func (c *Conn) expects(id wire.MethodID) bool {
	return c.role == roleClient || id == c.shake.want || id == wire.ConnectionCloseID
}

// greet gathers the protocol header that a client begins with (AMQP 0-9-1
// section 4.2.2). Anything else is answered with ours, and then over.
func (c *Conn) greet(p []byte) []byte {
	n := min(len(wire.ProtocolHeader)-len(c.in.carry), len(p))
	c.in.carry, p = append(c.in.carry, p[:n]...), p[n:]
	if len(c.in.carry) < len(wire.ProtocolHeader) {
		return p
	}
	if string(c.in.carry) != wire.ProtocolHeader {
		c.cause = &NotAMQPError{Host: c.cfg.host, Answer: slices.Clone(c.in.carry), client: true}
		c.out.append(wire.ProtocolHeader)
		c.finish()
		c.arm(dlClose) // for the header to leave
		return nil
	}
	c.in.carry = c.in.carry[:0]
	if err := c.sendStart(); err != nil {
		c.violation(0, 0, err)
		return nil
	}
	return p
}

func (c *Conn) sendStart() error {
	cfg := &c.shake.server
	err := c.send(0, &wire.ConnectionStart{
		VersionMinor:     9,
		ServerProperties: introduce(cfg.Properties),
		Mechanisms:       strings.Join(cfg.Mechanisms, " "),
		Locales:          cfg.Locales,
	})
	if err == nil {
		c.state, c.shake.want = StateSecuring, wire.ConnectionStartOkID
	}
	return err
}

func (c *Conn) onStartOk(args []byte) error {
	var m wire.ConnectionStartOk
	if err := c.in.plain().Method(args, &m); err != nil {
		return err
	}
	if !slices.Contains(c.shake.server.Mechanisms, m.Mechanism) {
		return offend(wire.AccessRefused, "the mechanism %q is not on offer", m.Mechanism)
	}
	if err := c.meet(m.ClientProperties); err != nil {
		return err
	}
	c.shake.chosen = m.Mechanism
	c.askAuth(m.Response)
	return nil
}

func (c *Conn) onSecureOk(args []byte) error {
	var m wire.ConnectionSecureOk
	if err := c.in.plain().Method(args, &m); err != nil {
		return err
	}
	c.askAuth(m.Response)
	return nil
}

func (c *Conn) askAuth(response wire.Secret) {
	c.shake.want, c.asked = 0, undecidedAuth
	c.server.OnAuth(c, c.shake.chosen, response)
}

// onTuneOk takes the client's limits, none of which may be above ours.
func (c *Conn) onTuneOk(args []byte) error {
	var m wire.ConnectionTuneOk
	if err := c.in.plain().Method(args, &m); err != nil {
		return err
	}
	switch {
	case m.ChannelMax == 0 || m.ChannelMax > c.cfg.channelMax:
		return offend(wire.NotAllowed, "channel-max of %d (0: no limit), at most %d was offered", m.ChannelMax, c.cfg.channelMax)
	case m.FrameMax == 0 || m.FrameMax > c.cfg.frameMax:
		return offend(wire.NotAllowed, "frame-max of %d bytes (0: no limit), at most %d was offered", m.FrameMax, c.cfg.frameMax)
	case m.FrameMax < wire.FrameMinSize:
		return offend(wire.NotAllowed, "frame-max of %d bytes, the least is %d", m.FrameMax, wire.FrameMinSize)
	}
	c.limits = limits{channelMax: m.ChannelMax, frameMax: m.FrameMax, heartbeat: time.Duration(m.Heartbeat) * time.Second}
	c.shake.want = wire.ConnectionOpenID
	return nil
}

func (c *Conn) onOpen(args []byte) error {
	var m wire.ConnectionOpen
	if err := c.in.plain().Method(args, &m); err != nil {
		return err
	}
	c.shake.want, c.asked = 0, undecidedOpen
	c.server.OnOpen(c, m.VirtualHost)
	return nil
}

// onUpdateSecret asks for a verdict on each new secret; a client may have sent
// several before it heard the first.
func (c *Conn) onUpdateSecret(args []byte) error {
	var m wire.ConnectionUpdateSecret
	if err := c.in.plain().Method(args, &m); err != nil {
		return err
	}
	if err := c.owe(); err != nil {
		return err
	}
	c.secrets++
	c.asked = undecidedSecret
	c.server.OnUpdateSecret(c, m.NewSecret, m.Reason)
	return nil
}

// Accept answers what ServerHandler was asked last: the credentials are good
// (connection.tune follows), the virtual host may be used (connection.open-ok),
// the new secret is in force (connection.update-secret-ok). It may be called
// inside the callback that asked or later; a client that does not wait for its
// answers may be refused for what it sends meanwhile.
//
// Errors: ErrRole for a client, ErrClosed, ErrNotAsked.
func (c *Conn) Accept() error {
	if err := c.decidable(); err != nil {
		return err
	}
	switch c.asked {
	case undecidedAuth:
		return c.sendTune()
	case undecidedSecret:
		return c.acceptSecret()
	}
	if err := c.send(0, &wire.ConnectionOpenOk{}); err != nil {
		return err
	}
	c.asked, c.shake, c.state = undecidedNothing, nil, StateOpen
	c.disarm(dlHandshake)
	return nil
}

func (c *Conn) sendTune() error {
	heartbeat := max(c.shake.server.Heartbeat, 0)
	err := c.send(0, &wire.ConnectionTune{
		ChannelMax: c.cfg.channelMax,
		FrameMax:   c.cfg.frameMax,
		Heartbeat:  uint16(heartbeat / time.Second),
	})
	if err != nil {
		return err
	}
	c.asked, c.state, c.shake.want = undecidedNothing, StateTuning, wire.ConnectionTuneOkID
	return nil
}

func (c *Conn) acceptSecret() error {
	if err := c.reply(0, &wire.ConnectionUpdateSecretOk{}); err != nil {
		return err
	}
	c.unanswered--
	if c.secrets--; c.secrets == 0 {
		c.asked = undecidedNothing
	}
	return nil
}

// Challenge answers OnAuth with another round of the mechanism (AMQP 0-9-1
// section 1.4.2.3): the client's response comes as the next OnAuth. Errors as
// Accept's, and ErrFrameTooLarge.
func (c *Conn) Challenge(challenge []byte) error {
	if err := c.decidable(); err != nil {
		return err
	}
	if c.asked != undecidedAuth {
		return ErrNotAsked
	}
	if err := c.send(0, &wire.ConnectionSecure{Challenge: challenge}); err != nil {
		return err
	}
	c.asked, c.shake.want = undecidedNothing, wire.ConnectionSecureOkID
	return nil
}

// Refuse answers what ServerHandler was asked last with an end of the
// connection. A client whose credentials are refused is told by connection.close
// if it announced the capability "authentication_failure_close", else the
// transport is dropped (https://www.rabbitmq.com/docs/auth-notification); who is
// refused later is always told. Usual codes are wire.AccessRefused for
// credentials and wire.NotAllowed for a virtual host.
//
// Errors as Accept's, and a *wire.EncodeError for a text over 255 bytes.
func (c *Conn) Refuse(code wire.Code, text string) error {
	if err := c.decidable(); err != nil {
		return err
	}
	about := map[decision]wire.MethodID{ // RabbitMQ names no method for credentials
		undecidedOpen: wire.ConnectionOpenID, undecidedSecret: wire.ConnectionUpdateSecretID,
	}[c.asked]
	cause := &Error{Code: code, Text: text, Method: about, Host: c.cfg.host}
	if c.asked == undecidedAuth && !c.HasCapability("authentication_failure_close") {
		c.cause, c.state = cause, StateAborted
		c.out.discard()
		c.disarm(dlHandshake)
		return nil
	}
	return c.failWith(cause)
}

// decidable is nil while something is asked.
func (c *Conn) decidable() error {
	switch {
	case c.role != roleServer:
		return ErrRole
	case c.state > StateOpen || c.broken:
		return &closedError{what: "the connection", reason: c.cause}
	case c.asked == undecidedNothing:
		return ErrNotAsked
	}
	return nil
}
