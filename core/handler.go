package core

import (
	"slices"

	"github.com/haypile/haypile/core/wire"
)

// ClientHandler is told about the lifetime of a client connection. Its methods
// run inside driver-side calls on the goroutine that made them; they may use
// every user-side method of the Conn and its channels. Embed NopClient to
// implement only some.
type ClientHandler interface {
	// OnOpen: the handshake is done, channels may be opened.
	OnOpen(c *Conn)
	// OnBlocked: the broker ran into a resource alarm and asks for no more
	// publishes (blocked true, with its reason), or the alarm is over. Acks,
	// cancels and closes may go on.
	// https://www.rabbitmq.com/docs/connection-blocked
	OnBlocked(c *Conn, blocked bool, reason string)
	// OnWritable: publishing makes sense again after ErrBackpressure. It is
	// called once for any number of refusals.
	OnWritable(c *Conn)
	// OnClose: the connection has ended; called once, last, after OnClose of
	// every channel. The error is nil after an orderly close by us, else as
	// Conn.Err describes it.
	OnClose(c *Conn, err error)
}

// ChannelHandler is told about what happens to a channel without having been
// asked for. The same rules hold as for ClientHandler. Embed NopChannel to
// implement only some.
type ChannelHandler interface {
	// OnConfirm: the broker settled a range of publishes. Every number is
	// reported once.
	OnConfirm(ch *Channel, c Confirm)
	// OnReturn: a mandatory message could not be routed. With confirms on, it
	// comes before the OnConfirm that covers it. r is valid until the callback
	// returns.
	OnReturn(ch *Channel, r *Return)
	// OnCancel: the broker ended a consumer, for instance because its queue
	// was deleted.
	OnCancel(ch *Channel, consumerTag string)
	// OnFlow: the broker asked to pause (false) or resume (true) publishing on
	// this channel. While paused, Publish returns ErrBackpressure.
	OnFlow(ch *Channel, active bool)
	// OnClose: the channel has ended; called once, last, after the callbacks
	// of its pending requests. The error is nil after an orderly close by us
	// (of the channel or the connection), else it says who ended it and why.
	OnClose(ch *Channel, err error)
}

// NopClient implements ClientHandler by doing nothing, for embedding.
type NopClient struct{}

// OnOpen does nothing.
func (NopClient) OnOpen(*Conn) {}

// OnBlocked does nothing.
func (NopClient) OnBlocked(*Conn, bool, string) {}

// OnWritable does nothing.
func (NopClient) OnWritable(*Conn) {}

// OnClose does nothing.
func (NopClient) OnClose(*Conn, error) {}

// NopChannel implements ChannelHandler by doing nothing, for embedding.
type NopChannel struct{}

// OnConfirm does nothing.
func (NopChannel) OnConfirm(*Channel, Confirm) {}

// OnReturn does nothing.
func (NopChannel) OnReturn(*Channel, *Return) {}

// OnCancel does nothing.
func (NopChannel) OnCancel(*Channel, string) {}

// OnFlow does nothing.
func (NopChannel) OnFlow(*Channel, bool) {}

// OnClose does nothing.
func (NopChannel) OnClose(*Channel, error) {}

// Delivery is a message that reached a consumer or was fetched by Get.
//
// Properties and Body alias memory of the Conn or of the caller of Feed: they
// are valid until the callback returns, and so is the Delivery itself. Clone
// makes a copy to keep. The strings may be kept.
type Delivery struct {
	Channel      *Channel           // that it came on, to which its ack belongs
	ConsumerTag  string             // empty for Get
	DeliveryTag  uint64             // for Ack, Nack and Reject; counts from 1 in each channel
	Redelivered  bool               // delivered before and not acknowledged
	Exchange     string             // where it was published, empty for the default exchange
	RoutingKey   string             // as it was published
	MessageCount uint32             // Get only: messages that are left in the queue
	Properties   wire.RawProperties // lent; read one by one, or all by Decode
	Body         []byte             // lent
}

// Clone returns a copy that stays valid.
func (d *Delivery) Clone() *Delivery {
	k := *d
	k.Properties, k.Body = d.CloneContent()
	return &k
}

// CloneContent returns copies of Properties and Body that stay valid.
func (d *Delivery) CloneContent() (wire.RawProperties, []byte) {
	return cloneContent(d.Properties, d.Body)
}

// TakeContent is CloneContent for who needs d's own no more: d has none
// afterwards. A large body that came in pieces is then not copied, and its memory is
// the caller's.
func (d *Delivery) TakeContent() (wire.RawProperties, []byte) {
	props, body := d.Properties, d.Body
	d.Properties, d.Body = nil, nil
	if d.Channel != nil && d.Channel.incoming != nil {
		if taken := d.Channel.incoming.take(body); taken != nil {
			props, _ = cloneContent(props, nil)
			return props, taken
		}
	}
	return cloneContent(props, body)
}

// Return is a message that the broker could not route, given back because it
// was published as mandatory. The rules of Delivery hold for its memory.
type Return struct {
	Channel    *Channel           // that it was published on
	Seq        uint64             // confirm number of the publish; 0 without confirms, or when it is settled
	Code       wire.Code          // why, such as wire.NoRoute
	Text       string             // why, in the broker's words
	Exchange   string             // where it was published
	RoutingKey string             // as it was published
	Properties wire.RawProperties // lent
	Body       []byte             // lent
}

// Clone returns a copy that stays valid.
func (r *Return) Clone() *Return {
	k := *r
	k.Properties, k.Body = cloneContent(r.Properties, r.Body)
	return &k
}

// cloneContent copies both, into one allocation unless clearing it first, as make
// does, costs more than another. The parts are capped, so that an append to one cannot
// reach the other.
func cloneContent(props wire.RawProperties, body []byte) (wire.RawProperties, []byte) {
	const large = 4 << 10
	n := len(props)
	switch {
	case n+len(body) == 0:
		return nil, nil
	case len(body) > large:
		props, _ = cloneContent(props, nil)
		return props, slices.Clip(slices.Clone(body))
	}
	b := make([]byte, n+len(body))
	copy(b, props)
	copy(b[n:], body)
	if n == 0 {
		return nil, b
	}
	return b[:n:n], b[n:]
}
