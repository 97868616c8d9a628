package core

import "github.com/haypile/haypile/core/wire"

// Close closes the connection (AMQP 0-9-1 section 1.4.2.9), code 0 standing
// for 200. Channels end with it; what was published before is still sent.
// OnClose follows when the broker has answered, CloseTimeout has passed or the
// transport is lost. During the handshake there is nobody to tell: the
// transport is dropped.
//
// Errors: ErrClosed, also when a close is under way; a *wire.EncodeError when
// the text is over 255 bytes.
func (c *Conn) Close(code wire.Code, text string) error {
	switch {
	case c.state == StateOpen && !c.broken:
		return c.sendClose(orSuccess(code), text, 0)
	case c.state < StateOpen && !c.broken:
		c.out.discard()
		c.disarm(dlHandshake)
		c.state = StateAborted
		return nil
	}
	return &closedError{what: "the connection", reason: c.cause}
}

// sendClose begins the close handshake. A text that we made is cut to fit.
func (c *Conn) sendClose(code wire.Code, text string, about wire.MethodID) error {
	if c.cause != nil {
		text = clip(text)
	}
	err := c.send(0, &wire.ConnectionClose{ReplyCode: code, ReplyText: text, Cause: about})
	if err != nil {
		return err
	}
	c.state = StateClosing
	c.disarm(dlHandshake)
	c.disarm(dlBlocked)
	c.arm(dlClose)
	return nil
}

// onConnectionClose: the broker closes. In reply to our own close both sides
// closed at once, and the answer to ours is still to come.
func (c *Conn) onConnectionClose(args []byte, was State) error {
	var m wire.ConnectionClose
	if err := c.in.plain().Method(args, &m); err != nil {
		return err
	}
	if err := c.answer(0, &wire.ConnectionCloseOk{}); err != nil {
		return err
	}
	if c.cause == nil {
		c.cause = &Error{Code: m.ReplyCode, Text: m.ReplyText, Method: m.Cause, Remote: true, Host: c.cfg.host, Phase: c.awaits(was), client: c.role == roleServer}
	}
	if was != StateClosing {
		c.finish()
		c.arm(dlClose) // for the close-ok to leave
	}
	return nil
}

// drop ends the connection without a word: the peer is not there to hear it.
func (c *Conn) drop(err error) {
	c.cause = c.lostCause(err)
	c.out.discard()
	c.finish()
}

// timedOut is a close that the peer did not answer.
func (c *Conn) timedOut() error {
	return &TransportError{Err: ErrCloseTimeout, Host: c.cfg.host}
}

// sweep finishes what calls inside callbacks, or between driver-side calls,
// decided, and tells of room that came without anything being sent: the end of
// an alarm, calls held back by Config.Serial that were given up.
func (c *Conn) sweep() {
	c.returnCopied()
	if c.state == StateAborted {
		c.finish()
	}
	c.unchoke()
}

// finish ends everything, children before parents. A callback that panics does
// not keep the rest from being told: its panic goes on afterwards.
func (c *Conn) finish() {
	if c.ended {
		return
	}
	c.state, c.ended = StateClosed, true
	c.out.reclaim()
	c.dl = deadlines{lastRead: c.dl.lastRead, lastWrite: c.dl.lastWrite}
	c.in = input{}
	c.shake = nil
	defer c.tellClose()
	defer c.closeChannels()
	reason := error(&closedError{what: "the connection", reason: c.cause})
	defer c.failUpdates(reason)
	c.returnLoans(reason)
}

func (c *Conn) tellClose() {
	if c.role == roleServer {
		c.server.OnClose(c, c.cause)
		return
	}
	c.client.OnClose(c, c.cause)
}

// closeChannels ends every channel with the connection's cause.
func (c *Conn) closeChannels() {
	c.closing = fifo[*Channel]{}
	c.endChannels(c.channels.clear())
	c.serial = nil // what it held back has been given up
}

func (c *Conn) endChannels(all []*Channel) {
	told := true
	defer func() {
		if !told {
			c.endChannels(all)
		}
	}()
	for len(all) > 0 {
		ch := all[0]
		all = all[1:]
		if ch == nil || ch.state == channelExpired || ch.state == channelClosed {
			continue
		}
		ch.state = channelClosed
		if ch.cause == nil {
			ch.cause = c.cause
		}
		told = false
		ch.tell()
		told = true
	}
}
