package core

import (
	"errors"
	"fmt"

	"github.com/haypile/haypile/core/wire"
)

// serving is what only a server's channel has.
type serving struct {
	handler    ServerChannelHandler
	owed       fifo[wire.MethodID] // replies to requests of the client, in order
	confirming bool
	published  uint64 // since confirm.select
	settled    uint64 // all publishes up to this one have been acked or nacked
	ackedAt    uint64 // frames sent when the latest was an ack up to settled
}

// maxUnanswered bounds what a client can make us remember by sending requests
// that the embedder does not answer.
const maxUnanswered = 1 << 16

// owe counts a request that the embedder has to answer.
func (c *Conn) owe() error {
	if c.unanswered == maxUnanswered {
		return offend(wire.ResourceError, "more than %d requests that are not answered", maxUnanswered)
	}
	c.unanswered++
	return nil
}

// reply sends what the embedder answers. It ends the connection when the client
// makes it answer more and more and does not read.
func (c *Conn) reply(channel uint16, m wire.Method) error {
	err := c.answerWithin(channel, m, c.limits.frameMax)
	if err == nil {
		return nil
	}
	if o := (*offence)(nil); errors.As(err, &o) {
		c.failWith(&Error{Code: o.code, Text: o.text, Host: c.cfg.host})
		return c.usable()
	}
	return err
}

// onChannelOpen: the client opens a channel.
func (c *Conn) onChannelOpen(number uint16, args []byte) error {
	if err := c.in.plain().Method(args, &wire.ChannelOpen{}); err != nil {
		return err
	}
	ch := &Channel{conn: c, number: number, serving: &serving{handler: NopServerChannel{}}}
	if err := c.answer(number, &wire.ChannelOpenOk{}); err != nil {
		return err
	}
	c.channels.put(ch)
	if h := c.server.OnChannel(c, ch); h != nil {
		ch.serving.handler = h
	}
	return nil
}

// onRequest acts on everything but closes that a client sends on a channel.
func (ch *Channel) onRequest(id wire.MethodID, args []byte) error {
	c := ch.conn
	if !id.FromClient() || id.Class() == wire.ClassConnection {
		return c.misplaced(id, ch.number)
	}
	switch {
	case id == wire.ChannelOpenID:
		return offend(wire.ChannelError, "second 'channel.open' seen")
	case ch.state == channelClosing:
		return nil
	case id == wire.BasicPublishID:
		return ch.onPublish(args)
	}
	m := c.desk().method(id)
	if err := c.in.interning().Method(args, m); err != nil {
		return err
	}
	if err := ch.owe(m); err != nil {
		return err
	}
	ch.serving.handler.OnMethod(ch, m)
	return nil
}

// method is where a method of a client is decoded to: the frequent ones into
// memory that is used again.
func (s *scratch) method(id wire.MethodID) wire.Method {
	switch id {
	case wire.BasicAckID:
		return &s.ack
	case wire.BasicNackID:
		return &s.nack
	case wire.BasicRejectID:
		return &s.reject
	}
	return wire.NewMethod(id)
}

// owe keeps account of requests and replies.
func (ch *Channel) owe(m wire.Method) error {
	id, s := m.ID(), ch.serving
	if id == wire.ConfirmSelectID {
		s.confirming = true
	}
	if id.IsReply() {
		i, err := ch.find(id, "")
		if err == nil {
			ch.take(i)
		}
		return err
	}
	reply := id.Reply()
	if reply == 0 || noWait(m) {
		return nil
	}
	if err := ch.conn.owe(); err != nil {
		return err
	}
	s.owed.push(reply)
	return nil
}

// onPublish begins a message of the client.
func (ch *Channel) onPublish(args []byte) error {
	in := ch.expect(wire.BasicPublishID)
	m := &ch.conn.desk().publish
	if err := ch.conn.in.interning().Method(args, m); err != nil {
		return err
	}
	if args[len(args)-1]&immediateBit != 0 {
		return offend(wire.NotImplemented, "immediate=true")
	}
	s := ch.serving
	if s.confirming {
		s.published++
	}
	in.published = Published{
		Channel: ch, Exchange: m.Exchange, RoutingKey: m.RoutingKey, Mandatory: m.Mandatory,
	}
	if s.confirming {
		in.published.Seq = s.published
	}
	return nil
}

// immediateBit is in the last octet of basic.publish, which has no field for it:
// RabbitMQ dropped the feature.
const immediateBit = 2

// serves is nil while a server may send on the channel.
func (ch *Channel) serves() error {
	if ch.serving == nil {
		return ErrRole
	}
	return ch.usable()
}

// Send sends a method without content to the client: the reply to a request, in
// the order in which they came (consume-ok and cancel-ok may come later), a
// confirm, or a request such as basic.cancel or channel.flow. Acks of publishes that
// follow each other, with nothing between, become one with multiple as long as they
// have not left, unless there is a Trace.
//
// A client that leaves more than MaxBuffered (at least 1 MiB) of replies and
// confirms unread ends its connection with 506, and Send then returns ErrClosed.
//
// A non-nil error means that nothing was sent: ErrRole for a client, ErrClosed,
// *wire.EncodeError, ErrFrameTooLarge, or a *ConfigError for a method that a
// server cannot send here: a reply that is not owed, a confirm of what was not
// published, a close (see Close and Fail), one with content (see Deliver, Return
// and GetOk).
func (ch *Channel) Send(m wire.Method) error {
	if err := ch.serves(); err != nil {
		return err
	}
	if isNil(m) {
		return &ConfigError{"method", "nil", "set"}
	}
	id := m.ID()
	switch {
	case !id.FromServer() || id.HasContent() || id.Class() == wire.ClassConnection || id == wire.ChannelCloseID || id == wire.ChannelCloseOkID:
		return &ConfigError{"method", id, "one without content that a server sends on a channel"}
	case id == wire.BasicAckID:
		return ch.ack(m.(*wire.BasicAck))
	case id == wire.BasicNackID:
		return ch.confirm(m, m.(*wire.BasicNack).DeliveryTag, m.(*wire.BasicNack).Multiple)
	case id.IsReply():
		return ch.sendReply(m)
	}
	if err := ch.conn.send(ch.number, m); err != nil {
		return err
	}
	if reply := id.Reply(); reply != 0 && !noWait(m) {
		ch.pending.push(pending{want: reply})
	}
	return nil
}

func (ch *Channel) sendReply(m wire.Method) error {
	i, err := ch.owes(m.ID())
	if err != nil {
		return err
	}
	if err := ch.conn.reply(ch.number, m); err != nil {
		return err
	}
	ch.answered(i)
	return nil
}

func (ch *Channel) answered(i int) {
	ch.serving.owed.remove(i)
	ch.conn.unanswered--
}

// owes finds the request that a reply answers, which must be the oldest but for
// consume-ok and cancel-ok.
func (ch *Channel) owes(reply wire.MethodID) (int, error) {
	if reply == wire.BasicGetEmptyID {
		reply = wire.BasicGetOkID
	}
	owed := &ch.serving.owed
	for i := range owed.len() {
		id := *owed.at(i)
		if id == reply {
			return i, nil
		}
		if id != wire.BasicConsumeOkID && id != wire.BasicCancelOkID {
			return 0, &ConfigError{"reply", reply, fmt.Sprintf("%s, which comes first", id)}
		}
	}
	return 0, &ConfigError{"reply", reply, "an answer to a request of the client"}
}

// Content is what a message consists of besides its envelope.
type Content struct {
	// Properties of the message; nil for none.
	Properties *wire.Properties
	// RawProperties, as a publish brought them or wire.Properties.Encode made
	// them, spare encoding. Only one of the two may be set.
	RawProperties wire.RawProperties
	// Body of any length; frames are cut as needed.
	Body []byte
}

// Deliver sends a message to a consumer (AMQP 0-9-1 section 1.8.3.9). All of it
// is copied. A non-nil error means that nothing was sent: ErrBackpressure (wait
// for OnWritable), ErrRole for a client, ErrClosed, *wire.EncodeError,
// ErrFrameTooLarge for properties over frame-max, *ConfigError.
func (ch *Channel) Deliver(m *wire.BasicDeliver, content *Content) error {
	if m == nil {
		return &ConfigError{"method", "nil", "set"}
	}
	return ch.sendContent(m, content)
}

// Return gives a message back that could not be routed (section 1.8.3.8). With
// confirms on, its ack is sent after it. Errors as Deliver's.
func (ch *Channel) Return(m *wire.BasicReturn, content *Content) error {
	if m == nil {
		return &ConfigError{"method", "nil", "set"}
	}
	return ch.sendContent(m, content)
}

// GetOk answers the oldest basic.get with a message (section 1.8.3.11); for an
// empty queue, Send a *wire.BasicGetEmpty. Errors as Deliver's and, for a reply
// that is not owed, as Send's.
func (ch *Channel) GetOk(m *wire.BasicGetOk, content *Content) error {
	if m == nil {
		return &ConfigError{"method", "nil", "set"}
	}
	if err := ch.serves(); err != nil {
		return err
	}
	i, err := ch.owes(wire.BasicGetOkID)
	if err != nil {
		return err
	}
	if err := ch.sendContent(m, content); err != nil {
		return err
	}
	ch.answered(i)
	return nil
}

func (ch *Channel) sendContent(m wire.Method, content *Content) error {
	c := ch.conn
	if err := ch.serves(); err != nil {
		return err
	}
	if content == nil {
		return &ConfigError{"content", "nil", "set"}
	}
	if c.full() {
		return ErrBackpressure
	}
	raw, err := c.encodeProperties(content.Properties, content.RawProperties)
	if err != nil {
		return err
	}
	buf, err := ch.appendContent(c.out.room(), m, raw, len(content.Body))
	if err != nil {
		return err
	}
	n := len(c.out.buf)
	c.countContent(len(content.Body))
	c.out.buf = wire.AppendBody(buf, ch.number, content.Body, c.limits.frameMax)
	c.traceSent(n)
	return nil
}

// Fail raises an exception because of what the client did in the method about (0
// for none), of the connection for codes that wire.Code.Hard tells, else of the
// channel: the close goes out, what still comes is dropped, and OnClose gets an
// *Error with the code. Errors: ErrRole for a client, ErrClosed,
// *wire.EncodeError for a text over 255 bytes.
func (ch *Channel) Fail(code wire.Code, text string, about wire.MethodID) error {
	if err := ch.serves(); err != nil {
		return err
	}
	if code.Hard() {
		return ch.conn.Fail(code, text, about)
	}
	if err := ch.sendClose(code, text, about); err != nil {
		return err
	}
	ch.cause = &Error{Code: code, Text: text, Method: about, Channel: ch.number, Host: ch.conn.cfg.host}
	ch.abandon()
	return nil
}

// Fail raises an exception of the connection, of a server that is open: as
// Channel.Fail.
func (c *Conn) Fail(code wire.Code, text string, about wire.MethodID) error {
	if c.role != roleServer {
		return ErrRole
	}
	if err := c.usable(); err != nil {
		return err
	}
	return c.failWith(&Error{Code: code, Text: text, Method: about, Host: c.cfg.host})
}

func (c *Conn) failWith(cause *Error) error {
	if err := c.sendClose(cause.Code, cause.Text, cause.Method); err != nil {
		return err
	}
	c.cause = cause
	c.disarm(dlHandshake)
	return nil
}

// Block tells the client that a resource alarm keeps the server from taking
// publishes, for a reason such as "low on memory"; Unblock tells that it is over
// (https://www.rabbitmq.com/docs/connection-blocked). Clients that did not
// announce the capability "connection.blocked" are not told, nor any client
// twice. Errors: ErrRole for a client, ErrNotOpen, ErrClosed, *wire.EncodeError
// for a reason over 255 bytes.
func (c *Conn) Block(reason string) error {
	return c.setBlocked(true, &wire.ConnectionBlocked{Reason: reason})
}

// Unblock takes Block back.
func (c *Conn) Unblock() error { return c.setBlocked(false, &wire.ConnectionUnblocked{}) }

func (c *Conn) setBlocked(on bool, notice wire.Method) error {
	if c.role != roleServer {
		return ErrRole
	}
	if err := c.usable(); err != nil || c.blocked == on {
		return err
	}
	if c.HasCapability("connection.blocked") {
		if err := c.send(0, notice); err != nil {
			return err
		}
	}
	c.blocked = on
	return nil
}
