package core_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// attendant is a server's handler that notes what it is told and lets everybody
// in. Its channels answer queue.declare at once.
type attendant struct {
	core.NopServer
	b *bench
}

func (a attendant) OnAuth(c *core.Conn, mechanism string, _ wire.Secret) {
	a.b.note("auth %s", mechanism)
	c.Accept()
}
func (a attendant) OnChannel(_ *core.Conn, ch *core.Channel) core.ServerChannelHandler {
	a.b.note("%d opened", ch.Number())
	return attendantChannel{b: a.b}
}
func (a attendant) OnWritable(*core.Conn)           { a.b.note("writable") }
func (a attendant) OnClose(_ *core.Conn, err error) { a.b.note("closed: %v", err) }

type attendantChannel struct {
	core.NopServerChannel
	b *bench
}

func (a attendantChannel) OnMethod(ch *core.Channel, m wire.Method) {
	a.b.note("%d %s", ch.Number(), m.ID())
	if q, is := m.(*wire.QueueDeclare); is && !q.NoWait {
		// Refused while an earlier request is not answered, which this handler
		// leaves so.
		var outOfOrder *core.ConfigError
		if err := ch.Send(&wire.QueueDeclareOk{Queue: "q"}); err != nil && !errors.As(err, &outOfOrder) {
			a.b.t.Error(err)
		}
	}
}
func (a attendantChannel) OnPublish(ch *core.Channel, p *core.Published) {
	a.b.note("%d publish %d to %q: %q", ch.Number(), p.Seq, p.RoutingKey, p.Body)
}
func (a attendantChannel) OnClose(ch *core.Channel, err error) {
	a.b.note("%d closed: %v", ch.Number(), err)
}

func newServerBench(t testing.TB, cfg core.ServerConfig) *bench {
	t.Helper()
	b := &bench{t: t, now: epoch, split: whole}
	if cfg.Host == "" {
		cfg.Host = "client:40000"
	}
	c, err := core.NewServer(cfg, attendant{b: b})
	ok(t, err)
	b.c = c
	ok(t, c.Start(b.now))
	return b
}

var (
	startOk = &wire.ConnectionStartOk{Mechanism: "PLAIN", Response: wire.NewSecret("\x00u\x00p"), ClientProperties: wire.Table{
		"capabilities": wire.Table{"connection.blocked": true},
	}}
	tuneOk = &wire.ConnectionTuneOk{ChannelMax: 2047, FrameMax: 131072, Heartbeat: 60}
	open   = &wire.ConnectionOpen{VirtualHost: "/"}
)

// serving is a bench whose handshake is done and whose channel 1 is open.
func serving(t testing.TB, cfg core.ServerConfig) *bench {
	t.Helper()
	b := newServerBench(t, cfg)
	b.method(0, []byte(wire.ProtocolHeader), startOk, tuneOk, open)
	b.sent("0 connection.start", "0 connection.tune", "0 connection.open-ok")
	b.method(1, &wire.ChannelOpen{})
	b.sent("1 channel.open-ok")
	b.told("auth PLAIN", "1 opened")
	return b
}

// serverOffences are what a client must not do on an open connection with
// channel 1 open.
var serverOffences = append(sharedOffences(&wire.BasicPublish{}), []offence{
	{"method of the server", "method out of place", wire.CommandInvalid, one(&wire.QueueDeclareOk{})},
	{"delivery by a client", "method out of place", wire.CommandInvalid, one(&wire.BasicDeliver{})},
	{"start-ok on an open connection", "method out of place", wire.CommandInvalid, zero(startOk)},
	{"secure-ok on an open connection", "method out of place", wire.CommandInvalid, zero(&wire.ConnectionSecureOk{})},
	{"tune-ok on an open connection", "method out of place", wire.CommandInvalid, zero(tuneOk)},
	{"second open", "method out of place", wire.CommandInvalid, zero(open)},
	{"blocked by a client", "method out of place", wire.CommandInvalid, zero(&wire.ConnectionBlocked{})},
	{"channel.open on channel 0", "method out of place", wire.CommandInvalid, zero(&wire.ChannelOpen{})},
	{"second channel.open", "channel.open on an open channel", wire.ChannelError, one(&wire.ChannelOpen{})},
	{"cancel-ok unasked", "reply that does not match", wire.UnexpectedFrame, one(&wire.BasicCancelOk{ConsumerTag: "c"})},
	{"request inside content", "content out of order", wire.UnexpectedFrame, one(&wire.BasicPublish{}, &wire.QueueDeclare{})},
	{"publish with immediate", `bit "immediate"`, wire.NotImplemented, func(t *testing.T) []byte {
		p := frames(t, 1, &wire.BasicPublish{})
		p[len(p)-2] |= 2
		return p
	}},
	{"requests without end", "unanswered requests", wire.ResourceError, func(t *testing.T) (p []byte) {
		purge := frames(t, 1, &wire.QueuePurge{})
		for range 65537 {
			p = append(p, purge...)
		}
		return p
	}},
}...)

func zero(items ...any) func(*testing.T) []byte {
	return func(t *testing.T) []byte { return frames(t, 0, items...) }
}

func TestOffencesOfClientsAreAnsweredWithTheirCode(t *testing.T) {
	for _, test := range serverOffences {
		t.Run(test.name, func(t *testing.T) {
			inEverySplit(t, func(t *testing.T, s split) {
				b := serving(t, core.ServerConfig{})
				b.split = s
				b.feed(test.feed(t))
				b.sent(fmt.Sprintf("0 connection.close %d", uint16(test.code)))
				var e *core.Error
				if err := b.c.Err(); !errors.As(err, &e) || e.Code != test.code || e.Remote || !strings.Contains(err.Error(), "client:40000") {
					t.Fatalf("ended with %v", err)
				}
				b.log = b.log[max(len(b.log)-1, 0):] // requests before the offence
				b.told("1 closed: " + b.c.Err().Error())
				b.method(0, &wire.ConnectionCloseOk{})
				b.c.Lost(nil, b.now)
				b.told("closed: " + b.c.Err().Error())
			})
		})
	}
}

func TestMessageAboveMaxMessageClosesItsChannel(t *testing.T) {
	b := serving(t, core.ServerConfig{MaxMessage: 10})
	b.method(1, &wire.BasicPublish{}, "eleven bytes")
	b.sent("1 channel.close 311")
	b.method(1, &wire.ChannelCloseOk{})
	if len(b.log) != 1 || !strings.Contains(b.log[0], "311 CONTENT_TOO_LARGE") {
		t.Errorf("told %q", b.log)
	}
}

// Handshakes that a server ends: before the client is authenticated without a
// word, then with connection.close.
func TestServerRefusesHandshakes(t *testing.T) {
	header := []byte(wire.ProtocolHeader)
	for _, test := range []struct {
		name  string
		items []any
		code  wire.Code
		sent  []string
	}{
		{"mechanism not on offer", []any{header, &wire.ConnectionStartOk{Mechanism: "EXTERNAL"}}, wire.AccessRefused, nil},
		{"tune-ok instead of start-ok", []any{header, tuneOk}, wire.CommandInvalid, nil},
		{"secure-ok unasked", []any{header, &wire.ConnectionSecureOk{}}, wire.CommandInvalid, nil},
		{"start-ok twice", []any{header, startOk, startOk}, wire.CommandInvalid, []string{"0 connection.close 503"}},
		{"channel-max above ours", []any{header, startOk, &wire.ConnectionTuneOk{ChannelMax: 2048, FrameMax: 4096}}, wire.NotAllowed, []string{"0 connection.close 530"}},
		{"no limit of channels", []any{header, startOk, &wire.ConnectionTuneOk{FrameMax: 4096}}, wire.NotAllowed, []string{"0 connection.close 530"}},
		{"frame-max above ours", []any{header, startOk, &wire.ConnectionTuneOk{ChannelMax: 1, FrameMax: 131073}}, wire.NotAllowed, []string{"0 connection.close 530"}},
		{"no limit of frames", []any{header, startOk, &wire.ConnectionTuneOk{ChannelMax: 1}}, wire.NotAllowed, []string{"0 connection.close 530"}},
		{"frame-max below the least", []any{header, startOk, &wire.ConnectionTuneOk{ChannelMax: 1, FrameMax: 4095}}, wire.NotAllowed, []string{"0 connection.close 530"}},
		{"open before tune-ok", []any{header, startOk, open}, wire.CommandInvalid, []string{"0 connection.close 503"}},
		{"a frame above the initial frame-max", []any{header, wire.AppendHeaderFrame(nil, 0, 60, 0, make(wire.RawProperties, 9000))}, wire.ChannelError, nil},
		{"garbage", []any{header, []byte{7, 0, 0, 0, 0, 0, 0}}, wire.FrameError, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			inEverySplit(t, func(t *testing.T, s split) {
				b := newServerBench(t, core.ServerConfig{})
				b.split = s
				b.method(0, test.items...)
				if !errors.Is(b.c.Err(), test.code) {
					t.Fatalf("ended with %v", b.c.Err())
				}
				lines := b.received()
				if test.sent == nil {
					if !b.c.Finished() {
						t.Error("not finished")
					}
					return // what was waiting to be sent is dropped
				}
				compare(t, "the end of what the server sent", lines[len(lines)-1:], test.sent)
				b.method(0, &wire.ConnectionCloseOk{})
				if !b.c.Finished() {
					t.Error("not finished")
				}
			})
		})
	}
}

func TestWhatComesOnAChannelThatAServerClosesIsDropped(t *testing.T) {
	b := &bench{t: t, now: epoch, split: whole}
	grab := &grabber{}
	c, err := core.NewServer(core.ServerConfig{}, grab)
	ok(t, err)
	b.c = c
	ok(t, c.Start(b.now))
	b.method(0, []byte(wire.ProtocolHeader), startOk, tuneOk, open)
	b.method(1, &wire.ChannelOpen{})
	b.received()
	for _, closing := range []func(ch *core.Channel) error{
		func(ch *core.Channel) error { return ch.Close(0, "") },
		func(ch *core.Channel) error { return ch.Fail(wire.NotFound, "", 0) },
	} {
		grab.told = nil
		ok(t, closing(grab.ch))
		b.received()
		b.method(1, &wire.QueueDeclare{}, &wire.BasicPublish{}, "x", &wire.BasicAck{DeliveryTag: 1})
		b.sent()
		b.method(1, &wire.ChannelCloseOk{}, &wire.ChannelOpen{}, &wire.TxSelect{})
		compare(t, "told", grab.told, []string{"tx.select"})
		b.received()
	}
}

func TestServerHandshakeHasADeadline(t *testing.T) {
	b := newServerBench(t, core.ServerConfig{})
	b.feed([]byte("AMQP"))
	b.at(10 * time.Second)
	b.told("closed: amqp: client:40000: waiting for the protocol header: handshake timed out")
	if !b.c.Finished() {
		t.Error("not finished")
	}
}

func TestPublishesReachTheServerInEverySplit(t *testing.T) {
	raw, err := (&wire.Properties{Type: "t", Headers: wire.Table{"a": 1}}).Encode()
	ok(t, err)
	inEverySplit(t, func(t *testing.T, s split) {
		b := serving(t, core.ServerConfig{})
		b.split = s
		input := frames(t, 1, &wire.ConfirmSelect{NoWait: true}, &wire.BasicPublish{RoutingKey: "k"}, "one")
		input = append(input, frames(t, 1, &wire.BasicPublish{RoutingKey: "k"})...)
		input = wire.AppendHeaderFrame(input, 1, wire.ClassBasic, 9000, raw)
		body := strings.Repeat("x", 9000)
		input = wire.AppendBody(input, 1, []byte(body), 4096)
		b.feed(input)
		b.told("1 confirm.select", `1 publish 1 to "k": "one"`, fmt.Sprintf("1 publish 2 to %q: %q", "k", body))
	})
}

func TestAServerWithoutAHandlerIsRefused(t *testing.T) {
	var e *core.ConfigError
	if _, err := core.NewServer(core.ServerConfig{}, nil); !errors.As(err, &e) {
		t.Error(err)
	}
	for _, cfg := range []core.ServerConfig{
		{Mechanisms: []string{"A B"}}, {Mechanisms: []string{""}}, {FrameMax: 100}, {InitialFrameMax: 100}, {Heartbeat: 5},
		{MaxMessage: -1}, {MaxBuffered: -2}, {HandshakeTimeout: -2}, {CloseTimeout: -2},
	} {
		if _, err := core.NewServer(cfg, attendant{}); !errors.As(err, &e) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	if _, err := core.NewServer(core.ServerConfig{Properties: wire.Table{"f": func() {}}}, attendant{}); err == nil {
		t.Error("a func in a table is accepted")
	}
}

func TestClientsCredentialsAreRead(t *testing.T) {
	for _, m := range []core.Mechanism{core.Plain("anna", wire.NewSecret("pass word")), core.AMQPlain("anna", wire.NewSecret("pass word"))} {
		response, err := m.Response()
		ok(t, err)
		read := core.ParsePlain
		if m.Name() == "AMQPLAIN" {
			read = core.ParseAMQPlain
		}
		user, password, err := read(response)
		if err != nil || user != "anna" || password.Reveal() != "pass word" {
			t.Errorf("%s: %q, %q, %v", m.Name(), user, password.Reveal(), err)
		}
		for _, bad := range []string{"", "hunter2", "\x00hunter2", "\x05LOGINS\x00\x00\x01ahunter2"} {
			if m.Name() == "PLAIN" && strings.Count(bad, "\x00") > 1 {
				continue // these are two fields for PLAIN
			}
			if _, _, err := read(wire.NewSecret(bad)); err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s of %q: %v", m.Name(), bad, err)
			}
		}
	}
}

// A peer that reads slowly, so that there is always output waiting, is not
// mistaken for one that does not read.
func TestASlowPeerIsNotGivenUp(t *testing.T) {
	b := serving(t, core.ServerConfig{})
	openClose := frames(t, 2, &wire.ChannelOpen{}, &wire.ChannelClose{})
	for range 200_000 {
		b.c.Feed(openClose, b.now)
		b.log = b.log[:0]
		if waiting := b.c.Buffered(); waiting > 10_000 {
			b.c.Advance(waiting - 5000)
		}
	}
	if err := b.c.Err(); err != nil {
		t.Error(err)
	}
}

func TestEmbeddedHandlersAnswerByThemselves(t *testing.T) {
	b := &bench{t: t, now: epoch, split: whole}
	c, err := core.NewServer(core.ServerConfig{}, nop{})
	ok(t, err)
	b.c = c
	ok(t, c.Start(b.now))
	b.method(0, []byte(wire.ProtocolHeader), startOk, tuneOk, open)
	b.method(1, &wire.ChannelOpen{}, &wire.BasicAck{DeliveryTag: 1}, &wire.BasicPublish{}, "dropped")
	b.sent("0 connection.start", "0 connection.tune", "0 connection.open-ok", "1 channel.open-ok")
	b.method(0, &wire.ConnectionUpdateSecret{})
	b.sent("0 connection.close 530")

	c, err = core.NewServer(core.ServerConfig{}, nop{})
	ok(t, err)
	b.c = c
	ok(t, c.Start(b.now))
	b.method(0, []byte(wire.ProtocolHeader), startOk, tuneOk, open)
	b.method(1, &wire.ChannelOpen{}, &wire.QueueDeclare{})
	b.sent("0 connection.start", "0 connection.tune", "0 connection.open-ok", "1 channel.open-ok", "0 connection.close 540")
}

type nop struct{ core.NopServer }

func (nop) OnAuth(c *core.Conn, _ string, _ wire.Secret) { c.Accept() }
