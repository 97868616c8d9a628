package core

import (
	"fmt"

	"github.com/haypile/haypile/core/wire"
)

// Channel is one channel of a connection. All its methods are user-side: they validate, commit state and append output, and never run a
// callback. A non-nil error means that nothing was queued.
type Channel struct {
	conn    *Conn
	handler ChannelHandler
	number  uint16
	state   channelState
	paused  bool // the broker switched flow off
	again   bool // the number was in use before
	closed  bool // by the peer, who has our close-ok
	cause   error

	pending   fifo[pending]
	incoming  *content
	consumers consumers
	serving   *serving  // nil on a client's channel
	confirms  *confirms // nil until confirm.select
	closeBy   moment    // while closing
}

// OpenChannel opens a channel on the lowest free number. It is usable at once:
// requests go out behind channel.open and are answered in order. Errors:
// ErrNotOpen, ErrClosed, ErrNoChannel when channel-max is reached.
//
// The handler may be nil where nobody listens.
func (c *Conn) OpenChannel(h ChannelHandler) (*Channel, error) {
	if err := c.opens(); err != nil {
		return nil, err
	}
	number, ok := c.channels.free(c.limits.channelMax)
	if !ok {
		return nil, fmt.Errorf("%w: all %d are in use", ErrNoChannel, c.limits.channelMax)
	}
	return c.open(number, h)
}

// OpenChannelNumber is OpenChannel on a number of the caller's choice, 1 to
// ChannelMax. ErrNoChannel when it is in use, a *ConfigError when it is out of
// range.
func (c *Conn) OpenChannelNumber(number uint16, h ChannelHandler) (*Channel, error) {
	if err := c.opens(); err != nil {
		return nil, err
	}
	if number == 0 || number > c.limits.channelMax {
		return nil, &ConfigError{"channel number", number, fmt.Sprintf("1 to %d", c.limits.channelMax)}
	}
	if c.channels.get(number) != nil {
		return nil, fmt.Errorf("%w: %d is in use", ErrNoChannel, number)
	}
	return c.open(number, h)
}

func (c *Conn) open(number uint16, h ChannelHandler) (*Channel, error) {
	if h == nil {
		h = NopChannel{}
	}
	ch := &Channel{conn: c, handler: h, number: number, again: c.channels.used(number)}
	if err := ch.request(&wire.ChannelOpen{}, pending{want: wire.ChannelOpenOkID}); err != nil {
		return nil, err
	}
	c.channels.put(ch)
	return ch, nil
}

// opens is nil while channels can be opened by this side.
func (c *Conn) opens() error {
	if c.role != roleClient {
		return ErrRole
	}
	return c.usable()
}

// usable is nil while channels can be opened and used.
func (c *Conn) usable() error {
	switch {
	case c.state == StateOpen && !c.broken:
		return nil
	case c.state < StateOpen:
		return ErrNotOpen
	}
	return &closedError{what: "the connection", reason: c.cause}
}

func (ch *Channel) live() bool {
	return ch.state == channelOpen && ch.conn.state == StateOpen && !ch.conn.broken
}

// usable is nil while the channel takes requests.
func (ch *Channel) usable() error {
	if ch.live() {
		return nil
	}
	return &closedError{what: fmt.Sprintf("channel %d", ch.number), reason: ch.Err()}
}

// requests is nil while the channel takes what a client sends.
func (ch *Channel) requests() error {
	if ch.live() && ch.serving == nil {
		return nil
	}
	if ch.serving != nil {
		return ErrRole
	}
	return ch.usable()
}

// Conn is the connection that the channel belongs to.
func (ch *Channel) Conn() *Conn { return ch.conn }

// Number is the channel number, 1 to ChannelMax.
func (ch *Channel) Number() uint16 { return ch.number }

// IsOpen tells that requests are accepted.
func (ch *Channel) IsOpen() bool { return ch.usable() == nil }

// Err is why the channel ended or is about to: nil while it is open and after
// an orderly close by us.
func (ch *Channel) Err() error {
	if ch.cause == nil && ch.state != channelClosed && ch.conn.state != StateOpen {
		return ch.conn.cause
	}
	return ch.cause
}

// Close closes the channel (AMQP 0-9-1 section 1.5.2.5), code 0 standing for
// 200. Requests made before are still answered, publishes still confirmed or
// returned; deliveries are dropped. OnClose
// follows when the broker has answered or CloseTimeout has passed. Errors:
// ErrClosed, also when a close is under way; a *wire.EncodeError when the text
// is over 255 bytes.
func (ch *Channel) Close(code wire.Code, text string) error {
	if err := ch.usable(); err != nil {
		return err
	}
	m := &wire.ChannelClose{ReplyCode: orSuccess(code), ReplyText: text}
	if err := ch.conn.sendUser(ch, ch.number, m, heldClose, pending{}); err != nil {
		return err
	}
	ch.closes()
	return nil
}

func orSuccess(code wire.Code) wire.Code {
	if code == 0 {
		return wire.ReplySuccess
	}
	return code
}

func (ch *Channel) sendClose(code wire.Code, text string, about wire.MethodID) error {
	err := ch.conn.send(ch.number, &wire.ChannelClose{ReplyCode: code, ReplyText: text, Cause: about})
	if err != nil {
		return err
	}
	ch.conn.awaitCloseOk(ch)
	ch.closes()
	return nil
}

// closes: our close is out, or on its way behind what Config.Serial holds back.
func (ch *Channel) closes() {
	ch.state = channelClosing
	if m := ch.receiving(); m != nil && (m.method == wire.BasicDeliverID || m.method == wire.BasicPublishID) {
		ch.abandon()
	}
}

// fail closes the channel because of what the peer sent on it, where the
// connection can live on.
func (ch *Channel) fail(o *offence) error {
	ch.cause = &Error{Code: o.code, Text: o.text, Channel: ch.number, Host: ch.conn.cfg.host, err: o.err}
	if ch.state != channelOpen && !ch.conn.serial.holds(ch) {
		ch.abandon()
		return nil
	}
	ch.conn.dropHeld(ch)
	about := wire.MethodID(0)
	if m := ch.receiving(); m != nil {
		about = m.method
	}
	err := ch.sendClose(o.code, clip(o.text), about)
	ch.abandon()
	return err
}

// clip cuts a text of ours to what a short string holds.
func clip(text string) string { return text[:min(len(text), 255)] }

// onChannelClose: the broker closed the channel.
func (ch *Channel) onChannelClose(args []byte) error {
	var m wire.ChannelClose
	if err := ch.conn.in.plain().Method(args, &m); err != nil {
		return err
	}
	if err := ch.conn.answer(ch.number, &wire.ChannelCloseOk{}); err != nil {
		return err
	}
	ch.closed = true
	remote := &Error{Code: m.ReplyCode, Text: m.ReplyText, Method: m.Cause, Channel: ch.number, Remote: true, Host: ch.conn.cfg.host, client: ch.serving != nil}
	if ch.state != channelOpen && !ch.conn.serial.holds(ch) {
		// Both sides closed at once: the answer to ours is still to come and
		// frees the number.
		if ch.cause == nil {
			ch.cause = remote
		}
		return nil
	}
	ch.cause = remote
	ch.end()
	return nil
}

// onChannelCloseOk: the broker answered our close.
func (ch *Channel) onChannelCloseOk() error {
	switch ch.state {
	case channelOpen:
		return offend(wire.CommandInvalid, "%s came unasked", wire.ChannelCloseOkID)
	case channelExpired: // OnClose has run; only the number was waiting
		ch.state = channelClosed
		ch.conn.channels.remove(ch)
	case channelClosing:
		ch.end()
	}
	return nil
}

// end frees the number and runs what is left of the channel's callbacks.
func (ch *Channel) end() {
	ch.state = channelClosed
	ch.conn.channels.remove(ch)
	ch.tell()
}

// tell fails the pending requests, in order, then runs OnClose. A callback that
// panics does not keep the rest from being told: its panic goes on afterwards.
func (ch *Channel) tell() {
	ch.abandon()
	ch.conn.dropHeld(ch)
	ch.consumers = consumers{}
	if s := ch.serving; s != nil {
		ch.conn.unanswered -= uint32(s.owed.len())
		s.owed = fifo[wire.MethodID]{}
	}
	reason := ch.cause
	if reason == nil {
		reason = ErrClosed
	}
	defer ch.tellClose()
	defer ch.failPending(reason)
	defer ch.endStream(reason)
	ch.conn.replied(ch)
}

func (ch *Channel) tellClose() {
	if ch.serving != nil {
		ch.serving.handler.OnClose(ch, ch.cause)
		return
	}
	ch.handler.OnClose(ch, ch.cause)
}

func (ch *Channel) failPending(reason error) {
	settled := true
	defer func() {
		if !settled {
			ch.failPending(reason)
		}
	}()
	for ch.pending.len() > 0 {
		p := ch.pending.pop()
		settled = false
		p.fail(reason)
		settled = true
	}
}
