package core

import "github.com/haypile/haypile/core/wire"

// StreamHandler takes deliveries whose body may be larger than memory, piece by
// piece. The rules of ClientHandler hold.
type StreamHandler interface {
	// OnBegin: a message of size bytes comes. d has no Body and is valid until
	// the callback returns.
	OnBegin(d *Delivery, size uint64)
	// OnChunk: the next bytes of the body, valid until the callback returns;
	// where the body is cut means nothing.
	OnChunk(p []byte)
	// OnEnd: once for each OnBegin, before OnClose of the channel: with nil when
	// the body is whole, else with what ended the channel, also when that was done
	// inside a callback for the last piece.
	OnEnd(err error)
}

// ConsumeStream is Consume for messages whose body may be larger than memory:
// they are handed over as they come, and MaxMessage does not bound them. Errors
// as Consume's.
func (ch *Channel) ConsumeStream(req *wire.BasicConsume, s StreamHandler, done func(*wire.BasicConsumeOk, error)) error {
	if s == nil {
		return &ConfigError{"stream handler", "nil", "set"}
	}
	return ch.consume(req, consumer{stream: s}, done)
}

// begin hands over the envelope of a streamed message.
func (ch *Channel) begin(m *content, props wire.RawProperties) {
	m.stream = m.consumer.stream
	m.delivery.Properties = props
	m.stream.OnBegin(&m.delivery, m.size)
	m.delivery.Properties = nil
	if m.size == 0 {
		ch.chunk(m, nil, true)
	}
}

// chunk hands over a piece of a streamed body. A callback may have closed the
// channel: then the end is told with the channel's.
func (ch *Channel) chunk(m *content, p []byte, last bool) {
	if len(p) > 0 {
		m.stream.OnChunk(p)
	}
	if !last || m.got < m.size || m.method == 0 {
		return
	}
	s := m.stream
	m.method, m.stream = 0, nil
	s.OnEnd(nil)
}

// endStream tells a stream that its message will not be whole.
func (ch *Channel) endStream(reason error) {
	if m := ch.incoming; m != nil && m.stream != nil {
		s := m.stream
		m.stream = nil
		s.OnEnd(reason)
	}
}
