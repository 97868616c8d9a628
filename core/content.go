package core

import (
	"fmt"

	"github.com/haypile/haypile/core/wire"
)

// content is the message that a channel is receiving: a method that announces
// content, its header, its body. One object per channel serves all its
// messages, allocated by the first.
type content struct {
	method    wire.MethodID // 0: none is being received
	header    bool          // the header has come
	size      uint64        // as the header announced
	got       uint64
	kept      int    // bytes of properties and body that wait for the rest
	ahead     int    // bytes that body's buffer was made for before they came
	volatile  bool   // props alias memory that is about to be reused
	props     []byte // the copy that replaces it then
	body      []byte // pieces of a body that did not come in one
	lent      []byte // the body that they made, while it is handed over
	deliver   wire.BasicDeliver
	delivery  Delivery
	consumer  *consumer     // of a basic.deliver
	stream    StreamHandler // that was told the beginning and not yet the end
	returned  Return
	published Published // by a client, to a server
}

// keep counts bytes of a message that is not whole. The first 64 KiB of each
// channel's are free, and one message alone may be as large as it is; beyond
// that, those of all channels share MaxMessage.
func (ch *Channel) keep(m *content, n int) (ok bool) {
	in := ch.conn.in.decoding()
	in.large -= m.large()
	m.kept += n
	in.large += m.large()
	return in.large <= ch.conn.cfg.maxMessage || in.large == m.large()
}

func (m *content) large() int64 { return int64(max(m.kept-contentKeep, 0)) }

// forget is told that nothing of the message is kept any more.
func (in *input) forget(m *content) {
	if in.dec != nil {
		in.dec.large -= m.large()
		in.dec.ahead -= m.ahead
	}
	m.kept, m.ahead = 0, 0
}

func (ch *Channel) tooLarge(format string, args ...any) error {
	return ch.fail(&offence{code: wire.ContentTooLarge, err: ErrMessageTooLarge, text: fmt.Sprintf(format, args...)})
}

func (ch *Channel) tooMuch() error {
	return ch.tooLarge("unfinished messages of all channels exceed MaxMessage, which is %d", ch.conn.cfg.maxMessage)
}

// expect begins a message on the channel.
func (ch *Channel) expect(id wire.MethodID) *content {
	if ch.incoming == nil {
		ch.incoming = &content{}
	}
	ch.incoming.method = id
	ch.incoming.header = false
	return ch.incoming
}

// receiving is the message in progress, if there is one.
func (ch *Channel) receiving() *content {
	if ch.incoming == nil || ch.incoming.method == 0 {
		return nil
	}
	return ch.incoming
}

// header acts on a content header frame.
func (c *Conn) header(channel uint16, payload []byte) {
	ch, m, err := c.receiver(channel, "content header")
	if err == nil && m != nil {
		err = ch.onHeader(m, payload)
	}
	if err != nil {
		c.violation(channel, 0, err)
	}
}

// body acts on a piece of a body. last tells that the frame ends with it.
func (c *Conn) body(channel uint16, p []byte, last bool) {
	ch, m, err := c.receiver(channel, "content body")
	if err == nil && m != nil {
		err = ch.onBody(m, p, last)
	}
	if err != nil {
		c.violation(channel, 0, err)
	}
}

// receiver finds the message that a content frame belongs to. Both results are
// nil for frames that are to be dropped.
func (c *Conn) receiver(channel uint16, what string) (*Channel, *content, error) {
	if c.state == StateClosing {
		return nil, nil, nil
	}
	ch := c.channels.get(channel)
	if ch == nil || c.state != StateOpen {
		return nil, nil, offend(wire.ChannelError, "%s on channel %d, which is not open", what, channel)
	}
	m := ch.receiving()
	if m == nil && ch.state == channelOpen {
		client := offend(wire.UnexpectedFrame, "%s on channel %d without a method", what, channel)
		return nil, nil, c.judge(client, "expected method frame, got non method frame instead")
	}
	return ch, m, nil
}

func (ch *Channel) onHeader(m *content, payload []byte) error {
	if m.header {
		return ch.conn.inContent(m, offend(wire.UnexpectedFrame, "second content header for one %s", m.method))
	}
	class, size, props, err := wire.ParseContentHeader(payload)
	if err != nil {
		return err
	}
	if class != m.method.Class() {
		return offend(wire.FrameError, "content header of class %d after %s", class, m.method)
	}
	if m.method == wire.BasicDeliverID && m.consumer.stream != nil {
		m.header, m.size, m.got = true, size, 0
		ch.begin(m, props)
		return nil
	}
	if size > uint64(ch.conn.cfg.maxMessage) {
		return ch.tooLarge("message of %d bytes, MaxMessage is %d", size, ch.conn.cfg.maxMessage)
	}
	m.header, m.size, m.got = true, size, 0
	*m.properties() = props
	if size == 0 {
		ch.received(m, nil)
		return nil
	}
	if !ch.keep(m, len(props)) {
		return ch.tooMuch()
	}
	ch.conn.in.own()
	m.volatile = true
	ch.conn.in.decoding().aliased = m
	return nil
}

func (ch *Channel) onBody(m *content, p []byte, last bool) error {
	if !m.header {
		return ch.conn.inContent(m, offend(wire.UnexpectedFrame, "content body before the header of %s", m.method))
	}
	if uint64(len(p)) > m.size-m.got {
		return offend(wire.FrameError, "more content body than the %d bytes announced", m.size)
	}
	m.got += uint64(len(p))
	if m.stream != nil {
		ch.chunk(m, p, last)
		return nil
	}
	if last && m.got == m.size && len(m.body) == 0 {
		ch.received(m, p)
		return nil
	}
	if !ch.keep(m, len(p)) {
		return ch.tooMuch()
	}
	ch.conn.in.decoding().join(m, p)
	if last && m.got == m.size {
		ch.received(m, m.body)
	}
	return nil
}

// received hands a whole message to whom it is for. The channel is ready for
// the next before any callback runs.
func (ch *Channel) received(m *content, body []byte) {
	method := m.method
	m.method, m.body, m.lent, m.volatile = 0, nil, m.body, false
	ch.conn.in.forget(m)
	switch method {
	case wire.BasicReturnID:
		m.returned.Body = body
		ch.onReturned(&m.returned)
		m.returned.Body, m.returned.Properties = nil, nil
	case wire.BasicPublishID:
		m.published.Body = body
		ch.serving.handler.OnPublish(ch, &m.published)
		m.published.Body, m.published.Properties = nil, nil
	default:
		m.delivery.Body = body
		ch.onDelivered(method, m)
		m.delivery.Body, m.delivery.Properties = nil, nil
	}
	ch.conn.in.reuse(m.lent)
	m.lent = nil
	ch.dropProperties(m)
}

// dropProperties ends the loan of the copied properties.
func (ch *Channel) dropProperties(m *content) {
	if scribble {
		overwrite(m.props)
	}
	if cap(m.props) > carryKeep {
		m.props = nil
	}
}

// abandon forgets the message in progress.
func (ch *Channel) abandon() {
	if m := ch.incoming; m != nil {
		ch.conn.in.reuse(m.body)
		ch.conn.in.forget(m)
		m.method, m.body = 0, nil
		if m.stream == nil {
			ch.incoming = nil
		}
	}
}

// properties are those of the message that is being received.
func (m *content) properties() *wire.RawProperties {
	switch m.method {
	case wire.BasicReturnID:
		return &m.returned.Properties
	case wire.BasicPublishID:
		return &m.published.Properties
	}
	return &m.delivery.Properties
}

// ownProperties copies the properties of a message whose body is still to come.
func (m *content) ownProperties() {
	if !m.volatile {
		return
	}
	m.volatile = false
	props := m.properties()
	m.props = append(m.props[:0], *props...)
	*props = m.props
}
