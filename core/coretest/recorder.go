package coretest

import (
	"fmt"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// Recorder writes down what a Conn and its channels tell, one line for each
// callback, in order. The zero value is ready. Like a Conn, it is for one
// goroutine at a time.
type Recorder struct {
	// OnLine, if set, is called inside each callback after its line was written,
	// so that a test can react there.
	OnLine func(line string)

	lines []string
}

// Take returns the lines since the last Take.
func (r *Recorder) Take() []string {
	lines := r.lines
	r.lines = nil
	return lines
}

// Note writes a line of the test's own.
func (r *Recorder) Note(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	r.lines = append(r.lines, line)
	if r.OnLine != nil {
		r.OnLine(line)
	}
}

// Client is a handler for NewClient that records.
func (r *Recorder) Client() core.ClientHandler { return client{r} }

type client struct{ r *Recorder }

func (h client) OnOpen(*core.Conn)     { h.r.Note("open") }
func (h client) OnWritable(*core.Conn) { h.r.Note("writable") }
func (h client) OnBlocked(_ *core.Conn, on bool, reason string) {
	if !on {
		h.r.Note("unblocked")
		return
	}
	h.r.Note("blocked: %s", reason)
}
func (h client) OnClose(_ *core.Conn, err error) { h.r.Note("closed: %v", err) }

// Channel is a handler for OpenChannel that records.
func (r *Recorder) Channel() core.ChannelHandler { return channel{r} }

type channel struct{ r *Recorder }

func (h channel) OnConfirm(ch *core.Channel, c core.Confirm) {
	verb := "acked"
	if !c.Ack {
		verb = "nacked"
	}
	if c.First == c.Last {
		h.r.Note("%d %s %d", ch.Number(), verb, c.First)
		return
	}
	h.r.Note("%d %s %d to %d", ch.Number(), verb, c.First, c.Last)
}
func (h channel) OnReturn(ch *core.Channel, m *core.Return) {
	h.r.Note("%d returned publish=%d code=%d exchange=%s routing-key=%s properties=%s body=%s", ch.Number(), m.Seq, uint16(m.Code),
		formatValue(m.Exchange), formatValue(m.RoutingKey), FormatProperties(m.Properties), formatBody(m.Body))
}
func (h channel) OnCancel(ch *core.Channel, tag string) {
	h.r.Note("%d canceled %s", ch.Number(), formatValue(tag))
}
func (h channel) OnFlow(ch *core.Channel, active bool) { h.r.Note("%d flow %v", ch.Number(), active) }
func (h channel) OnClose(ch *core.Channel, err error)  { h.r.Note("%d closed: %v", ch.Number(), err) }

// Reply is a callback for a request on the channel that records the reply.
func Reply[R wire.Method](r *Recorder, ch *core.Channel) func(R, error) {
	return func(reply R, err error) {
		if err != nil {
			var request R
			r.Note("%d no %s: %v", ch.Number(), request.ID(), err)
			return
		}
		r.Note("%d %s", ch.Number(), Format(reply))
	}
}

// Delivery is a callback for Consume that records, and, where it is not nil, for
// Get.
func (r *Recorder) Delivery(d *core.Delivery) {
	what := "delivery to " + formatValue(d.ConsumerTag)
	if d.ConsumerTag == "" {
		what = "got"
	}
	again := ""
	if d.Redelivered {
		again = " redelivered"
	}
	r.Note("%d %s tag=%d%s exchange=%s routing-key=%s properties=%s body=%s", d.Channel.Number(), what, d.DeliveryTag, again,
		formatValue(d.Exchange), formatValue(d.RoutingKey), FormatProperties(d.Properties), formatBody(d.Body))
}

// Got is a callback for Get that records.
func (r *Recorder) Got(d *core.Delivery, err error) {
	switch {
	case err != nil:
		r.Note("no get-ok: %v", err)
	case d == nil:
		r.Note("got nothing")
	default:
		r.Delivery(d)
	}
}

// Stream is a handler for ConsumeStream that records the beginning of a message
// and its end, with the number of bytes between, however they were cut.
func (r *Recorder) Stream() core.StreamHandler { return &stream{r: r} }

type stream struct {
	r *Recorder
	n int
}

func (s *stream) OnBegin(d *core.Delivery, size uint64) {
	s.n = 0
	s.r.Note("%d stream begins tag=%d properties=%s size=%d", d.Channel.Number(), d.DeliveryTag, FormatProperties(d.Properties), size)
}
func (s *stream) OnChunk(p []byte) { s.n += len(p) }
func (s *stream) OnEnd(err error)  { s.r.Note("stream ends after %d bytes: %v", s.n, err) }

// Server is a handler for NewServer that records. With accept, it lets every
// client in, to every virtual host and with every new secret.
func (r *Recorder) Server(accept bool) core.ServerHandler { return server{r, accept} }

type server struct {
	r      *Recorder
	accept bool
}

func (h server) decide(c *core.Conn) {
	if h.accept {
		c.Accept()
	}
}

func (h server) OnAuth(c *core.Conn, mechanism string, response wire.Secret) {
	h.r.Note("auth %s %d bytes", mechanism, len(response.Reveal()))
	h.decide(c)
}
func (h server) OnOpen(c *core.Conn, virtualHost string) {
	h.r.Note("open %s", formatValue(virtualHost))
	h.decide(c)
}
func (h server) OnUpdateSecret(c *core.Conn, _ wire.Secret, reason string) {
	h.r.Note("update-secret %s", formatValue(reason))
	h.decide(c)
}
func (h server) OnChannel(_ *core.Conn, ch *core.Channel) core.ServerChannelHandler {
	h.r.Note("%d opened", ch.Number())
	return serverChannel{h.r}
}
func (h server) OnWritable(*core.Conn)           { h.r.Note("writable") }
func (h server) OnClose(_ *core.Conn, err error) { h.r.Note("closed: %v", err) }

type serverChannel struct{ r *Recorder }

func (h serverChannel) OnMethod(ch *core.Channel, m wire.Method) {
	h.r.Note("%d %s", ch.Number(), Format(m))
}
func (h serverChannel) OnPublish(ch *core.Channel, p *core.Published) {
	mandatory := ""
	if p.Mandatory {
		mandatory = " mandatory"
	}
	h.r.Note("%d published seq=%d exchange=%s routing-key=%s%s properties=%s body=%s", ch.Number(), p.Seq,
		formatValue(p.Exchange), formatValue(p.RoutingKey), mandatory, FormatProperties(p.Properties), formatBody(p.Body))
}
func (h serverChannel) OnClose(ch *core.Channel, err error) {
	h.r.Note("%d closed: %v", ch.Number(), err)
}
