package core

import "github.com/haypile/haypile/core/wire"

// channelMethod acts on a method that came on a channel.
func (c *Conn) channelMethod(number uint16, id wire.MethodID, args []byte) error {
	if c.state == StateClosing {
		return nil
	}
	ch := c.channels.get(number)
	if ch == nil && c.state == StateOpen && c.role == roleServer && id == wire.ChannelOpenID {
		return c.onChannelOpen(number, args)
	}
	if id == wire.ChannelCloseID && c.repeatsClose(number, ch) {
		return nil
	}
	if ch == nil || c.state != StateOpen {
		return c.judge(offend(wire.ChannelError, "%s on channel %d, which is not open", id, number), "expected 'channel.open'")
	}
	switch id {
	case wire.ChannelCloseID:
		return ch.onChannelClose(args)
	case wire.ChannelCloseOkID:
		return ch.onChannelCloseOk()
	}
	if ch.cause != nil {
		return nil // told as over, or about to be; what still comes was sent before the peer knew
	}
	if m := ch.receiving(); m != nil {
		return c.inContent(m, offend(wire.UnexpectedFrame, "%s inside the content of %s", id, m.method))
	}
	if ch.serving != nil {
		return ch.onRequest(id, args)
	}
	return ch.onMethod(id, args)
}

// repeatsClose tells that a channel.close repeats one that the client has
// answered: RabbitMQ sends it again and again, over a delivery that is not acked
// in time, until it gets our close-ok. A second close-ok would be an offence to
// it. What comes on a channel that was opened since is known by coming before
// the open-ok: RabbitMQ refuses no channel.open by channel.close.
func (c *Conn) repeatsClose(number uint16, ch *Channel) bool {
	switch {
	case c.role != roleClient || c.state != StateOpen:
		return false
	case ch == nil:
		return c.channels.used(number)
	case ch.closed:
		return true
	}
	return ch.again && ch.pending.len() > 0 && ch.pending.at(0).want == wire.ChannelOpenOkID
}

// onMethod acts on everything but closes. On a channel that we are closing,
// only what settles earlier calls still counts: replies, confirms and the
// returns that say what a confirm means.
func (ch *Channel) onMethod(id wire.MethodID, args []byte) error {
	switch id {
	case wire.BasicAckID:
		return ch.onAck(args)
	case wire.BasicNackID:
		return ch.onNack(args)
	case wire.BasicGetOkID:
		return ch.onGetOk(args)
	case wire.BasicGetEmptyID:
		return ch.onGetEmpty()
	case wire.BasicReturnID:
		return ch.onReturn(args)
	case wire.BasicDeliverID, wire.BasicCancelID, wire.ChannelFlowID:
		if ch.state == channelClosing {
			return nil
		}
		return ch.onEvent(id, args)
	}
	if !id.FromServer() || id.Class() == wire.ClassConnection {
		return ch.conn.misplaced(id, ch.number)
	}
	return ch.onReply(id, args)
}

func (ch *Channel) onEvent(id wire.MethodID, args []byte) error {
	switch id {
	case wire.BasicDeliverID:
		return ch.onDeliver(args)
	case wire.BasicCancelID:
		return ch.onBasicCancel(args)
	default:
		return ch.onFlow(args)
	}
}

// onFlow answers channel.flow and tells the handler.
func (ch *Channel) onFlow(args []byte) error {
	var m wire.ChannelFlow
	if err := ch.conn.in.plain().Method(args, &m); err != nil {
		return err
	}
	if err := ch.conn.answer(ch.number, &wire.ChannelFlowOk{Active: m.Active}); err != nil {
		return err
	}
	ch.paused = !m.Active
	ch.handler.OnFlow(ch, m.Active)
	return nil
}

func (c *Conn) onBlocked(args []byte) error {
	var m wire.ConnectionBlocked
	if err := c.in.plain().Method(args, &m); err != nil {
		return err
	}
	if !c.blocked {
		c.blocked = true
		c.arm(dlBlocked)
	}
	c.client.OnBlocked(c, true, m.Reason)
	return nil
}

func (c *Conn) onUnblocked() {
	if !c.blocked {
		return
	}
	c.blocked = false
	c.disarm(dlBlocked)
	c.client.OnBlocked(c, false, "")
}
