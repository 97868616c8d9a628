package core_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

func TestErrorTexts(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{&core.Error{Code: wire.NotFound, Text: "NOT_FOUND - no queue 'q'", Method: wire.QueueDeclareID, Channel: 7, Remote: true, Host: "r1:5672"},
			"amqp: r1:5672: channel 7 closed by the broker: 404 NOT_FOUND - no queue 'q' (queue.declare)"},
		{&core.Error{Code: wire.FrameError, Text: "unknown frame type 9"},
			"amqp: connection closed by us: 501 FRAME_ERROR - unknown frame type 9"},
		{&core.Error{Code: wire.AccessRefused, Remote: true, Phase: "connection.tune"},
			"amqp: connection closed by the broker while waiting for connection.tune: 403 ACCESS_REFUSED"},
		{&core.TransportError{Err: io.EOF}, "amqp: the peer closed the transport"},
		{&core.TransportError{Err: core.ErrHeartbeat, Host: "r1", Phase: "p"}, "amqp: r1: waiting for p: no sign of life from the peer"},
		{&core.NotAMQPError{Answer: []byte("SSH-2.0\r\n")}, `amqp: peer: is not an AMQP server, it answered "SSH-2.0\r\n"`},
		{&core.NotAMQPError{Host: "r1", Answer: []byte("AMQP\x03\x01\x00\x00")}, "amqp: r1: does not speak AMQP 0-9-1 but asks for 1-0-0 (protocol id 3)"},
		{&core.NotAMQPError{Host: "r1", Answer: []byte{0x16, 3}}, "amqp: r1: answered with TLS; use amqps for this port"},
		{&core.ConfigError{Field: "FrameMax", Value: 12, Want: "4096 to 2147483647 bytes"}, "amqp: FrameMax is 12: must be 4096 to 2147483647 bytes"},
	} {
		if got := test.err.Error(); got != test.want {
			t.Errorf("%T says\n\t%s\nwant\n\t%s", test.err, got, test.want)
		}
	}
}

func TestErrorsMatchTheirCodeAndCause(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	ch := b.channel()
	b.method(1, &wire.ChannelClose{ReplyCode: wire.PreconditionFailed})
	_, err := ch.Publish(&core.Publishing{})
	var e *core.Error
	if !errors.Is(err, core.ErrClosed) || !errors.Is(err, wire.PreconditionFailed) || errors.Is(err, wire.NotFound) || !errors.As(err, &e) || !e.Remote {
		t.Errorf("publish on the dead channel: %v", err)
	}
	b.feed(wire.Frame{Type: wire.FrameMethod, Payload: []byte{0, 10, 0, 60, 200}}.AppendTo(nil))
	var d *wire.DecodeError
	if err := b.c.Err(); !errors.As(err, &d) || !errors.Is(err, wire.SyntaxError) {
		t.Errorf("a method that cannot be decoded: %v", err)
	}
}

// TestNoErrorTellsASecret lets every handshake fail and looks for the password.
func TestNoErrorTellsASecret(t *testing.T) {
	const password = "correct-horse"
	secret := wire.NewSecret(password)
	for _, test := range handshakeFailures {
		for _, m := range []core.Mechanism{core.Plain("anna", secret), core.AMQPlain("anna", secret)} {
			cfg := test.cfg
			cfg.Mechanisms = []core.Mechanism{m}
			b := newBench(t, cfg)
			ok(t, b.c.Start(b.now))
			for _, p := range test.feed(t) {
				b.feed(p)
			}
			b.c.Lost(nil, b.now)
			for _, verb := range []string{"%v", "%+v", "%#v"} {
				if text := fmt.Sprintf(verb, b.c.Err()); strings.Contains(text, password) {
					t.Errorf("%s tells the password: %s", test.name, text)
				}
			}
		}
	}
	for _, m := range []core.Mechanism{core.Plain("anna", secret), core.AMQPlain("anna", secret)} {
		cfg := core.ClientConfig{Mechanisms: []core.Mechanism{m}, FrameMax: 1}
		_, err := core.NewClient(cfg, nil)
		if text := fmt.Sprintf("%+v %#v %v", cfg, cfg, err); strings.Contains(text, password) {
			t.Errorf("the config tells the password: %s", text)
		}
	}
}

func TestChannelClosedInOrderKeepsNoErrorOfTheConnection(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	ch := b.channel()
	ok(t, ch.Close(0, ""))
	b.method(1, &wire.ChannelCloseOk{})
	b.c.Lost(io.ErrUnexpectedEOF, b.now)
	if err := ch.Err(); err != nil {
		t.Errorf("the channel closed in order, and now says %v", err)
	}
	if err := ch.Ack(1, false); !errors.Is(err, core.ErrClosed) || errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("ack says %v", err)
	}
}
