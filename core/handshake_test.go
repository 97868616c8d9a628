package core_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

func TestHandshakeSettlesTheLimits(t *testing.T) {
	for _, test := range []struct {
		name      string
		cfg       core.ClientConfig
		tune      wire.ConnectionTune
		channels  uint16
		frame     uint32
		heartbeat time.Duration
	}{
		{"the smaller of both", core.ClientConfig{}, wire.ConnectionTune{ChannelMax: 100, FrameMax: 1 << 20, Heartbeat: 10}, 100, 131072, time.Minute},
		{"zero is no limit", core.ClientConfig{}, wire.ConnectionTune{}, 2047, 131072, time.Minute},
		{"heartbeats off", core.ClientConfig{Heartbeat: core.Off}, wire.ConnectionTune{Heartbeat: 10}, 2047, 131072, 0},
		{"ours over the broker's", core.ClientConfig{Heartbeat: 5 * time.Second, FrameMax: 4096, ChannelMax: 1}, wire.ConnectionTune{Heartbeat: 10}, 1, 4096, 5 * time.Second},
		{"a func decides", core.ClientConfig{HeartbeatFunc: func(d time.Duration) time.Duration { return d / 2 }}, wire.ConnectionTune{Heartbeat: 10}, 2047, 131072, 5 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, test.cfg)
			b.handshake(test.tune)
			if b.c.ChannelMax() != test.channels || b.c.FrameMax() != test.frame || b.c.Heartbeat() != test.heartbeat {
				t.Errorf("settled on %d channels, %d bytes, %s", b.c.ChannelMax(), b.c.FrameMax(), b.c.Heartbeat())
			}
		})
	}
}

func TestStartOkCarriesCredentialsAndMergedProperties(t *testing.T) {
	mine := wire.Table{"product": "mine", "capabilities": wire.Table{"mine": true, "basic.nack": false}}
	b := newBench(t, core.ClientConfig{
		Mechanisms: []core.Mechanism{core.Plain("anna", wire.NewSecret("hunter2"))}, Properties: mine,
	})
	ok(t, b.c.Start(b.now))
	b.flush()
	b.in = b.in[8:]
	b.method(0, start())
	f, _, err := wire.ParseFrame(b.in, 0)
	ok(t, err)
	m, err := wire.Decode(f.Payload)
	ok(t, err)
	so := m.(*wire.ConnectionStartOk)
	if so.Mechanism != "PLAIN" || so.Response.Reveal() != "\x00anna\x00hunter2" || so.Locale != "en_US" {
		t.Errorf("start-ok by %s in %s", so.Mechanism, so.Locale)
	}
	able := so.ClientProperties["capabilities"].(wire.Table)
	if so.ClientProperties["product"] != "mine" || so.ClientProperties["platform"] != "Go" ||
		able["mine"] != true || able["basic.nack"] != false || able["publisher_confirms"] != true {
		t.Errorf("client properties %v", so.ClientProperties)
	}
	if len(mine) != 2 || len(mine["capabilities"].(wire.Table)) != 2 {
		t.Errorf("the caller's tables became %v", mine)
	}
}

func TestServerPropertiesAreKept(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	if b.c.PeerProperties()["product"] != "Bench" || !b.c.HasCapability("basic.nack") || b.c.HasCapability("other") {
		t.Errorf("server properties %v", b.c.PeerProperties())
	}
}

// failures of the handshake: what the server does, and the error.
var handshakeFailures = []struct {
	name string
	cfg  core.ClientConfig
	feed func(t *testing.T) [][]byte
	want []string // parts of the error
	code wire.Code
}{
	{name: "an HTTP server", feed: raw("HTTP/1.1 400 Bad Request\r\n"), want: []string{"rabbit:5672", "not an AMQP server", "HTTP/1.1 400"}},
	{name: "a server of another version", feed: raw("AMQP\x00\x01\x00\x00"), want: []string{"1-0-0"}},
	{name: "a TLS server", feed: raw("\x15\x03\x01\x00\x02\x02\x0a\x00"), want: []string{"amqps"}},
	{name: "AMQP 0-10 in connection.start", feed: methods(&wire.ConnectionStart{VersionMinor: 10, Mechanisms: "PLAIN"}), want: []string{"0-10"}},
	{name: "no mechanism of ours", feed: methods(&wire.ConnectionStart{VersionMinor: 9, Mechanisms: "XPLAIN PLAINX"}), want: []string{"PLAIN", "XPLAIN"}, code: wire.AccessRefused},
	{name: "wrong password", feed: methods(start(), &wire.ConnectionClose{ReplyCode: 403, ReplyText: "ACCESS_REFUSED - no"}), want: []string{"connection.tune (authentication)", "403 ACCESS_REFUSED - no", "by the broker"}, code: wire.AccessRefused},
	{name: "a challenge that PLAIN does not know", feed: methods(start(), &wire.ConnectionSecure{}), want: []string{"PLAIN"}, code: wire.AccessRefused},
	{name: "a mechanism that fails", cfg: core.ClientConfig{Mechanisms: []core.Mechanism{askTwice{errors.New("token expired")}}}, feed: methods(start(), &wire.ConnectionSecure{}), want: []string{"token expired"}, code: wire.AccessRefused},
	{name: "frame-max too small", feed: methods(start(), &wire.ConnectionTune{FrameMax: 4095}), want: []string{"4095"}, code: wire.SyntaxError},
	{name: "heartbeat of a func out of range", cfg: core.ClientConfig{HeartbeatFunc: func(time.Duration) time.Duration { return time.Millisecond }}, feed: methods(start(), &wire.ConnectionTune{}), want: []string{"HeartbeatFunc", "1ms"}},
	{name: "unknown virtual host", feed: methods(start(), &wire.ConnectionTune{}, &wire.ConnectionClose{ReplyCode: 530, ReplyText: "NOT_ALLOWED - vhost"}), want: []string{"virtual host", "530"}, code: wire.NotAllowed},
	{name: "open-ok before tune", feed: methods(start(), &wire.ConnectionOpenOk{}), want: []string{"connection.open-ok", "unasked"}, code: wire.CommandInvalid},
	{name: "tune before start", feed: methods(&wire.ConnectionTune{}), want: []string{"connection.tune"}, code: wire.CommandInvalid},
	{name: "a channel before open-ok", feed: func(t *testing.T) [][]byte {
		return [][]byte{frames(t, 0, start()), frames(t, 1, &wire.ChannelOpenOk{})}
	}, want: []string{"channel 1"}, code: wire.ChannelError},
	{name: "garbage in place of a frame", feed: methods(start(), []byte{9, 0, 0, 0, 0, 0, 0, 0}), want: []string{"frame type 9"}, code: wire.FrameError},
	{name: "a truncated method", feed: methods([]byte{1, 0, 0, 0, 0, 0, 4, 0, 10, 0, 10, 0xCE}), want: []string{"connection.start"}, code: wire.SyntaxError},
}

func raw(s string) func(*testing.T) [][]byte {
	return func(*testing.T) [][]byte { return [][]byte{[]byte(s)} }
}

func methods(items ...any) func(*testing.T) [][]byte {
	return func(t *testing.T) [][]byte { return [][]byte{frames(t, 0, items...)} }
}

func TestFailedHandshakeSaysWhy(t *testing.T) {
	for _, test := range handshakeFailures {
		t.Run(test.name, func(t *testing.T) {
			inEverySplit(t, func(t *testing.T, s split) {
				b := newBench(t, test.cfg)
				b.split = s
				ok(t, b.c.Start(b.now))
				b.flush()
				for _, p := range test.feed(t) {
					b.feed(p)
				}
				err := b.c.Err()
				for _, part := range test.want {
					if err == nil || !strings.Contains(err.Error(), part) {
						t.Errorf("error %q does not have %q", err, part)
					}
				}
				if test.code != 0 && !errors.Is(err, test.code) {
					t.Errorf("error %v is no %s", err, test.code)
				}
				b.told("closed: " + err.Error())
				if !b.c.Finished() {
					t.Error("not finished")
				}
				b.c.Lost(nil, b.now)
				b.told()
			})
		})
	}
}

func TestLostHandshakeNamesThePhase(t *testing.T) {
	for phase, items := range map[string][]any{
		"connection.start":   nil,
		"connection.tune":    {start()},
		"connection.open-ok": {start(), &wire.ConnectionTune{}},
	} {
		b := newBench(t, core.ClientConfig{})
		ok(t, b.c.Start(b.now))
		b.method(0, items...)
		b.c.Lost(nil, b.now)
		var e *core.TransportError
		if err := b.c.Err(); !errors.As(err, &e) || !strings.Contains(err.Error(), phase) || !strings.Contains(err.Error(), "rabbit:5672") {
			t.Errorf("lost while waiting for %s: %v", phase, err)
		}
	}
}

func TestLongStartOkIsNamedWhenTheBrokerHangsUp(t *testing.T) {
	b := newBench(t, core.ClientConfig{Mechanisms: []core.Mechanism{core.Plain("", wire.NewSecret(strings.Repeat("t", 5000)))}})
	ok(t, b.c.Start(b.now))
	b.method(0, start())
	b.c.Lost(nil, b.now)
	if err := b.c.Err(); !strings.Contains(err.Error(), "start-ok was 5") {
		t.Errorf("error is %v", err)
	}
	b = newBench(t, core.ClientConfig{Mechanisms: []core.Mechanism{core.Plain("", wire.NewSecret(strings.Repeat("t", 9000)))}})
	ok(t, b.c.Start(b.now))
	b.method(0, start())
	if err := b.c.Err(); !errors.Is(err, core.ErrFrameTooLarge) {
		t.Errorf("error is %v", err)
	}
}

func TestWrongConfigIsRefused(t *testing.T) {
	for field, cfg := range map[string]core.ClientConfig{
		"VirtualHost":      {VirtualHost: strings.Repeat("v", 256)},
		"Locale":           {Locale: strings.Repeat("v", 256)},
		"Mechanisms":       {Mechanisms: []core.Mechanism{nil}},
		"FrameMax":         {FrameMax: 4095},
		"InitialFrameMax":  {InitialFrameMax: 1},
		"Heartbeat":        {Heartbeat: 1500 * time.Millisecond},
		"MaxMessage":       {MaxMessage: -1},
		"MaxBuffered":      {MaxBuffered: -2},
		"Properties":       {Properties: wire.Table{"f": func() {}}},
		"HandshakeTimeout": {HandshakeTimeout: -2},
		"CloseTimeout":     {CloseTimeout: -2},
		"BlockedTimeout":   {BlockedTimeout: -2},
	} {
		if _, err := core.NewClient(cfg, nil); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: error is %v", field, err)
		}
	}
}

func TestStartTwiceChangesNothing(t *testing.T) {
	b := newBench(t, core.ClientConfig{})
	ok(t, b.c.Start(b.now))
	before := b.c.Buffered()
	if err := b.c.Start(b.now); !errors.Is(err, core.ErrStarted) || b.c.Buffered() != before {
		t.Errorf("second Start: %v", err)
	}
}
