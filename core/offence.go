package core

import (
	"errors"
	"fmt"
	"io"

	"github.com/haypile/haypile/core/wire"
)

// offence is a breach of the protocol by the peer, on its way to the one place
// that turns it into a close: violation.
type offence struct {
	code  wire.Code
	text  string
	about wire.MethodID // the method whose content it is, else 0
	err   error         // the finding behind it, if it has a type of its own
}

func (o *offence) Error() string { return o.text }

func offend(code wire.Code, format string, args ...any) *offence {
	return &offence{code: code, text: fmt.Sprintf(format, args...)}
}

// judge is an offence in the words of the side that finds it: a server's are
// RabbitMQ's, which clients may look for.
func (c *Conn) judge(client *offence, server string) *offence {
	if c.role == roleClient {
		return client
	}
	return &offence{code: client.code, text: server}
}

// inContent is judge for what came in the middle of a message.
func (c *Conn) inContent(m *content, client *offence) *offence {
	missing := fmt.Sprintf("content header for class %d, got non content header", wire.ClassBasic)
	if m.header {
		missing = "content body, got non content body"
	}
	o := c.judge(client, "expected "+missing+" frame instead")
	o.about = m.method
	return o
}

// violation ends the connection because of what the peer sent on the channel
// in the method (0 for frames that are none). An open connection tells the peer
// by connection.close, which has the close timeout to answer; before that and
// after, the transport is dropped. Either way everything is over for the channels now.
func (c *Conn) violation(channel uint16, method wire.MethodID, err error) {
	if c.state == StateClosing && c.cause != nil {
		c.in.lost = true // told once; the answer to our close will not be found any more
		return
	}
	c.cause = c.blame(method, err)
	if !c.canTell() {
		c.out.discard()
		c.finish()
		return
	}
	e := c.cause.(*Error)
	text := fmt.Sprintf("%s (channel %d)", e.Text, channel)
	if c.role == roleServer {
		text = e.Code.String() + " - " + e.Text
	}
	c.sendClose(e.Code, text, e.Method)
	c.closeChannels()
}

// canTell tells that the peer can be told by connection.close why it is over:
// once both agree on the connection's limits, and for a server as soon as the
// client is authenticated.
func (c *Conn) canTell() bool {
	return c.state == StateOpen || c.role == roleServer && (c.state == StateTuning || c.state == StateOpening)
}

// misframed is a violation after which nobody knows where the next frame
// begins.
func (c *Conn) misframed(channel uint16, err error) {
	c.violation(channel, 0, err)
	c.in.lost = true
}

// blame makes the error that the embedder gets out of what the parser found.
func (c *Conn) blame(method wire.MethodID, err error) error {
	if e := (*NotAMQPError)(nil); errors.As(err, &e) {
		return e
	}
	e := &Error{Code: wire.InternalError, Text: untitled(err), Method: method, Host: c.cfg.host, Phase: c.awaits(c.state), err: err}
	if o := (*offence)(nil); errors.As(err, &o) {
		e.Code, e.Text, e.err = o.code, o.text, o.err
		if o.about != 0 {
			e.Method = o.about
		}
	} else if d := (*wire.DecodeError)(nil); errors.As(err, &d) {
		e.Code = d.Code
	}
	return e
}

// lostCause says how the transport ended, or was given up, and during the
// handshake what that may mean.
func (c *Conn) lostCause(err error) error {
	if c.role == roleClient && c.state == StateStarting && c.in.foreign() {
		return &NotAMQPError{Host: c.cfg.host, Answer: c.in.carry}
	}
	if err == nil {
		err = io.EOF
	}
	if c.state == StateTuning && c.shake != nil && c.shake.response > wire.FrameMinSize {
		err = fmt.Errorf("%w (connection.start-ok was %d bytes; brokers whose initial frame-max is %d hang up on that)", err, c.shake.response, wire.FrameMinSize)
	}
	return &TransportError{Err: err, Host: c.cfg.host, Phase: c.awaits(c.state)}
}
