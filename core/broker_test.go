package core_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// epoch is where the clock of the tests begins.
var epoch = time.Unix(1_000_000, 0)

// bench is a Conn under test with the broker's side played by the test: it
// feeds what a broker would send and reads what the client sent.
type bench struct {
	t     testing.TB
	c     *core.Conn
	now   time.Time
	log   []string // what the callbacks told, in order
	in    []byte   // what the client sent and the test has not looked at
	split split
}

// split cuts what is fed into pieces.
type split func(p []byte) (n int)

func whole(p []byte) int { return len(p) }
func single([]byte) int  { return 1 }
func randomly(seed uint64) split {
	r := rand.New(rand.NewPCG(seed, seed))
	return func(p []byte) int { return 1 + r.IntN(len(p)) }
}

func newBench(t testing.TB, cfg core.ClientConfig) *bench {
	t.Helper()
	b := &bench{t: t, now: epoch, split: whole}
	if cfg.Host == "" {
		cfg.Host = "rabbit:5672"
	}
	c, err := core.NewClient(cfg, (*listener)(b))
	if err != nil {
		t.Fatal(err)
	}
	b.c = c
	return b
}

// opened is a bench whose handshake is done.
func opened(t testing.TB, cfg core.ClientConfig) *bench {
	t.Helper()
	b := newBench(t, cfg)
	b.handshake(wire.ConnectionTune{ChannelMax: 2047, FrameMax: 131072, Heartbeat: 60})
	return b
}

func (b *bench) handshake(tune wire.ConnectionTune) {
	b.t.Helper()
	if err := b.c.Start(b.now); err != nil {
		b.t.Fatal(err)
	}
	b.flush()
	if !strings.HasPrefix(string(b.in), wire.ProtocolHeader) {
		b.t.Fatalf("client begins with %q", b.in)
	}
	b.in = b.in[8:]
	b.method(0, start())
	b.sent("0 connection.start-ok")
	b.method(0, &tune)
	b.sent("0 connection.tune-ok", "0 connection.open")
	b.method(0, &wire.ConnectionOpenOk{})
	b.told("open")
}

func start() *wire.ConnectionStart {
	return &wire.ConnectionStart{
		VersionMinor: 9, Mechanisms: "AMQPLAIN PLAIN EXTERNAL", Locales: "en_US",
		ServerProperties: wire.Table{"product": "Bench", "capabilities": wire.Table{"basic.nack": true}},
	}
}

// feed gives bytes to the client, in pieces, and scribbles over them after.
func (b *bench) feed(p []byte) {
	for len(p) > 0 {
		n := b.split(p)
		piece := append([]byte(nil), p[:n]...)
		b.c.Feed(piece, b.now)
		for i := range piece {
			piece[i] = 0x55
		}
		p = p[n:]
	}
	b.flush()
}

// frames encodes what a broker sends on a channel: methods, content.
func frames(t testing.TB, channel uint16, items ...any) (p []byte) {
	t.Helper()
	var err error
	for _, item := range items {
		switch v := item.(type) {
		case wire.Method:
			if p, err = wire.AppendMethodFrame(p, channel, v); err != nil {
				t.Fatal(err)
			}
		case string: // a whole content
			p = wire.AppendHeaderFrame(p, channel, wire.ClassBasic, uint64(len(v)), nil)
			p = wire.AppendBody(p, channel, []byte(v), 4096)
		case []byte: // raw
			p = append(p, v...)
		}
	}
	return p
}

func (b *bench) method(channel uint16, items ...any) {
	b.t.Helper()
	b.feed(frames(b.t, channel, items...))
}

func (b *bench) at(d time.Duration) *bench {
	b.now = epoch.Add(d)
	b.c.Tick(b.now)
	b.flush()
	return b
}

// flush takes what the client wants to send.
func (b *bench) flush() {
	for _, s := range b.c.Outbound(nil) {
		b.in = append(b.in, s...)
	}
	b.c.Advance(b.c.Buffered())
}

// received reads what the client sent as lines: methods by name, content by its
// size.
func (b *bench) received() (lines []string) {
	b.t.Helper()
	b.flush()
	for len(b.in) > 0 {
		f, n, err := wire.ParseFrame(b.in, 0)
		if err != nil || n == 0 {
			b.t.Fatalf("client sent %x: %v", b.in, err)
		}
		lines = append(lines, describe(b.t, f))
		b.in = b.in[n:]
	}
	return lines
}

func describe(t testing.TB, f wire.Frame) string {
	t.Helper()
	switch f.Type {
	case wire.FrameMethod:
		m, err := wire.Decode(f.Payload)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%d %s%s", f.Channel, m.ID(), details(m))
	case wire.FrameHeader:
		_, size, _, err := wire.ParseContentHeader(f.Payload)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%d header %d", f.Channel, size)
	case wire.FrameBody:
		return fmt.Sprintf("%d body %d", f.Channel, len(f.Payload))
	default:
		return fmt.Sprintf("%d %s", f.Channel, f.Type)
	}
}

// details are the fields of a method that the tests look at.
func details(m wire.Method) string {
	switch m := m.(type) {
	case *wire.ConnectionClose:
		return fmt.Sprintf(" %d", uint16(m.ReplyCode))
	case *wire.ChannelClose:
		return fmt.Sprintf(" %d", uint16(m.ReplyCode))
	case *wire.BasicAck:
		return fmt.Sprintf(" %d %v", m.DeliveryTag, m.Multiple)
	case *wire.BasicNack:
		return fmt.Sprintf(" %d %v %v", m.DeliveryTag, m.Multiple, m.Requeue)
	case *wire.BasicReject:
		return fmt.Sprintf(" %d %v", m.DeliveryTag, m.Requeue)
	case *wire.ChannelFlowOk:
		return fmt.Sprintf(" %v", m.Active)
	case *wire.BasicCancelOk:
		return " " + m.ConsumerTag
	}
	return ""
}

// sent fails the test unless the client sent exactly these.
func (b *bench) sent(want ...string) {
	b.t.Helper()
	compare(b.t, "client sent", b.received(), want)
}

// told fails the test unless the callbacks told exactly these.
func (b *bench) told(want ...string) {
	b.t.Helper()
	got := b.log
	b.log = nil
	compare(b.t, "callbacks told", got, want)
}

func compare(t testing.TB, what string, got, want []string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Fatalf("%s\n\t%s\nwant\n\t%s", what, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func (b *bench) note(format string, args ...any) {
	b.log = append(b.log, fmt.Sprintf(format, args...))
}

// listener notes what a Conn tells.
type listener bench

func (l *listener) OnOpen(*core.Conn) { (*bench)(l).note("open") }
func (l *listener) OnBlocked(_ *core.Conn, on bool, why string) {
	(*bench)(l).note("blocked %v %s", on, why)
}
func (l *listener) OnWritable(*core.Conn)           { (*bench)(l).note("writable") }
func (l *listener) OnClose(_ *core.Conn, err error) { (*bench)(l).note("closed: %v", err) }

// channelListener notes what a Channel tells.
type channelListener struct{ b *bench }

func (l channelListener) OnConfirm(ch *core.Channel, c core.Confirm) {
	l.b.note("%d confirm %d-%d %v", ch.Number(), c.First, c.Last, c.Ack)
}
func (l channelListener) OnReturn(ch *core.Channel, r *core.Return) {
	l.b.note("%d return of %d: %d %q to %q", ch.Number(), r.Seq, uint16(r.Code), r.Body, r.RoutingKey)
}
func (l channelListener) OnCancel(ch *core.Channel, tag string) {
	l.b.note("%d cancel %s", ch.Number(), tag)
}
func (l channelListener) OnFlow(ch *core.Channel, active bool) {
	l.b.note("%d flow %v", ch.Number(), active)
}
func (l channelListener) OnClose(ch *core.Channel, err error) {
	l.b.note("%d closed: %v", ch.Number(), err)
}

// channel opens a channel and answers for the broker.
func (b *bench) channel() *core.Channel {
	b.t.Helper()
	ch, err := b.c.OpenChannel(channelListener{b})
	if err != nil {
		b.t.Fatal(err)
	}
	b.sent(fmt.Sprintf("%d channel.open", ch.Number()))
	b.method(ch.Number(), &wire.ChannelOpenOk{})
	return ch
}

// reply is a callback for a request that notes its outcome.
func reply[R wire.Method](b *bench, name string) func(R, error) {
	return func(r R, err error) {
		if err != nil {
			b.note("%s failed: %v", name, err)
			return
		}
		b.note("%s ok", name)
	}
}

// deliver notes a delivery.
func (b *bench) deliver(d *core.Delivery) {
	b.note("delivery %d to %s: %q", d.DeliveryTag, d.ConsumerTag, d.Body)
}

// consume starts a consumer with the tag and answers for the broker.
func (b *bench) consume(ch *core.Channel, tag string) {
	b.t.Helper()
	if err := ch.Consume(&wire.BasicConsume{Queue: "q", ConsumerTag: tag}, b.deliver, nil); err != nil {
		b.t.Fatal(err)
	}
	b.sent(fmt.Sprintf("%d basic.consume", ch.Number()))
	b.method(ch.Number(), &wire.BasicConsumeOk{ConsumerTag: tag})
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// inEverySplit runs a test with input whole, byte by byte and at random cuts.
func inEverySplit(t *testing.T, f func(t *testing.T, s split)) {
	t.Run("whole", func(t *testing.T) { f(t, whole) })
	t.Run("byte by byte", func(t *testing.T) { f(t, single) })
	for seed := range uint64(5) {
		t.Run(fmt.Sprintf("random %d", seed), func(t *testing.T) { f(t, randomly(seed)) })
	}
}
