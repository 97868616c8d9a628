package core_test

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// offence is what a peer must not do.
type offence struct {
	name string
	row  string // of the table in doc.go
	code wire.Code
	feed func(t *testing.T) []byte
}

// sharedOffences are what neither side must do, m being a method with content
// that it may send.
func sharedOffences(m wire.Method) []offence {
	content := func(p func(t *testing.T, announced []byte) []byte) func(*testing.T) []byte {
		return func(t *testing.T) []byte { return p(t, frames(t, 1, m)) }
	}
	method := func(channel uint16, payload ...byte) func(*testing.T) []byte {
		return bytesOf(wire.Frame{Type: wire.FrameMethod, Channel: channel, Payload: payload}.AppendTo(nil)...)
	}
	const arguments, orphan = "arguments or properties", "content out of order"
	return []offence{
		{"unknown frame type", "unknown frame type", wire.FrameError, bytesOf(4, 0, 0, 0, 0, 0, 0, 0xCE)},
		{"frame above frame-max", "frame above frame-max", wire.FrameError, bytesOf(3, 0, 1, 0, 2, 0, 0)},
		{"frame of one byte above frame-max", "frame above frame-max", wire.FrameError, bytesOf(3, 0, 1, 0, 1, 255, 249)},
		{"wrong end octet of a method", "wrong end octet", wire.FrameError, content(func(_ *testing.T, p []byte) []byte {
			p[len(p)-1] = 0
			return p
		})},
		{"wrong end octet of a body", "wrong end octet", wire.FrameError, func(t *testing.T) []byte {
			p := frames(t, 1, m, "body")
			p[len(p)-1] = 0
			return p
		}},
		{"method frame too short for a method", "frame too short", wire.FrameError, method(1, 0)},
		{"header frame too short for a header", "frame too short", wire.FrameError, content(func(_ *testing.T, p []byte) []byte {
			return wire.Frame{Type: wire.FrameHeader, Channel: 1, Payload: make([]byte, 13)}.AppendTo(p)
		})},
		{"heartbeat on a channel", "heartbeat", wire.FrameError, bytesOf(8, 0, 1, 0, 0, 0, 0, 0xCE)},
		{"heartbeat with a payload", "heartbeat", wire.FrameError, bytesOf(8, 0, 0, 0, 0, 0, 1, 0, 0xCE)},
		{"content header of another class", "content header of another class", wire.FrameError, content(func(_ *testing.T, p []byte) []byte {
			return wire.AppendHeaderFrame(p, 1, wire.ClassQueue, 1, nil)
		})},
		{"content header with a weight", "with a weight", wire.FrameError, content(func(_ *testing.T, p []byte) []byte {
			n := len(p)
			p = wire.AppendHeaderFrame(p, 1, wire.ClassBasic, 1, nil)
			p[n+10] = 1
			return p
		})},
		{"more body than announced", "more body than announced", wire.FrameError, content(func(_ *testing.T, p []byte) []byte {
			return wire.AppendBodyFrame(wire.AppendHeaderFrame(p, 1, wire.ClassBasic, 2, nil), 1, []byte("abc"))
		})},
		{"truncated arguments", arguments, wire.SyntaxError, method(1, 0, 20, 0, 40, 9)},
		{"truncated arguments of connection.close", arguments, wire.SyntaxError, method(0, 0, 10, 0, 50, 9)},
		{"arguments left over", arguments, wire.SyntaxError, method(1, 0, 60, 0, 80, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0)},
		{"properties that are cut off", arguments, wire.SyntaxError, content(func(_ *testing.T, p []byte) []byte {
			return wire.AppendHeaderFrame(p, 1, wire.ClassBasic, 1, wire.RawProperties{0x80, 0, 200})
		})},
		{"properties with a continuation", arguments, wire.SyntaxError, content(func(_ *testing.T, p []byte) []byte {
			return wire.AppendHeaderFrame(p, 1, wire.ClassBasic, 1, wire.RawProperties{0, 1, 0, 0})
		})},
		{"content on channel 0", "content on channel 0", wire.ChannelError, zero("x")},
		{"body on channel 0", "content on channel 0", wire.ChannelError, bytesOf(3, 0, 0, 0, 0, 0, 0, 0xCE)},
		{"method on a channel not open", "frame on a channel not open", wire.ChannelError, func(t *testing.T) []byte { return frames(t, 2, m) }},
		{"content on a channel not open", "frame on a channel not open", wire.ChannelError, func(t *testing.T) []byte { return frames(t, 2, "x") }},
		{"channel above channel-max", "channel number above channel-max", wire.ChannelError, func(t *testing.T) []byte { return frames(t, 2048, m) }},
		{"channel.close-ok unasked", "unasked", wire.CommandInvalid, one(&wire.ChannelCloseOk{})},
		{"connection.close-ok unasked", "unasked", wire.CommandInvalid, zero(&wire.ConnectionCloseOk{})},
		{"connection method on a channel", "method out of place", wire.CommandInvalid, one(&wire.ConnectionClose{})},
		{"channel method on channel 0", "method out of place", wire.CommandInvalid, zero(m)},
		{"header without a method", orphan, wire.UnexpectedFrame, one("x")},
		{"body without a header", orphan, wire.UnexpectedFrame, content(func(_ *testing.T, p []byte) []byte {
			return wire.AppendBodyFrame(p, 1, []byte("x"))
		})},
		{"second header", orphan, wire.UnexpectedFrame, content(func(_ *testing.T, p []byte) []byte {
			p = wire.AppendHeaderFrame(p, 1, wire.ClassBasic, 1, nil)
			return wire.AppendHeaderFrame(p, 1, wire.ClassBasic, 1, nil)
		})},
		{"content inside content", orphan, wire.UnexpectedFrame, one(m, m, "x")},
		{"reply that nothing asked for", "reply that does not match", wire.UnexpectedFrame, one(&wire.ChannelFlowOk{})},
		{"unknown method", "unknown method", wire.NotImplemented, method(1, 0, 77, 0, 1)},
		{"unknown method on channel 0", "unknown method", wire.NotImplemented, method(0, 0, 10, 0, 99)},
	}
}

// offences are what a broker must not do on an open connection with channel 1
// open, with a consumer "c" and a request for a queue.declare on its way.
var offences = append(sharedOffences(&wire.BasicDeliver{ConsumerTag: "c"}), []offence{
	{"method of the client", "method out of place", wire.CommandInvalid, one(&wire.BasicPublish{})},
	{"connection method of the client", "method out of place", wire.CommandInvalid, zero(&wire.ConnectionUpdateSecret{})},
	{"channel.open-ok on channel 0", "method out of place", wire.CommandInvalid, zero(&wire.ChannelOpenOk{})},
	{"second start", "method out of place", wire.CommandInvalid, zero(start())},
	{"second tune", "method out of place", wire.CommandInvalid, zero(&wire.ConnectionTune{})},
	{"second open-ok", "unasked", wire.CommandInvalid, zero(&wire.ConnectionOpenOk{})},
	{"update-secret-ok unasked", "unasked", wire.CommandInvalid, zero(&wire.ConnectionUpdateSecretOk{})},
	{"confirm on a channel without", "confirm of what was not published", wire.CommandInvalid, one(&wire.BasicAck{DeliveryTag: 1})},
	{"refusal on a channel without", "confirm of what was not published", wire.CommandInvalid, one(&wire.BasicNack{DeliveryTag: 1})},
	{"reply to another request", "reply that does not match", wire.UnexpectedFrame, one(&wire.QueueBindOk{})},
	{"get-ok that nothing asked for", "reply that does not match", wire.UnexpectedFrame, one(&wire.BasicGetOk{})},
	{"get-empty that nothing asked for", "reply that does not match", wire.UnexpectedFrame, one(&wire.BasicGetEmpty{})},
	{"reply inside content", "content out of order", wire.UnexpectedFrame, one(&wire.BasicDeliver{ConsumerTag: "c"}, &wire.QueueDeclareOk{})},
}...)

func bytesOf(p ...byte) func(*testing.T) []byte { return func(*testing.T) []byte { return p } }

func one(items ...any) func(*testing.T) []byte {
	return func(t *testing.T) []byte { return frames(t, 1, items...) }
}

func TestOffencesAreAnsweredWithTheirCode(t *testing.T) {
	for _, test := range offences {
		t.Run(test.name, func(t *testing.T) {
			inEverySplit(t, func(t *testing.T, s split) {
				b := opened(t, core.ClientConfig{})
				b.split = s
				ch := b.channel()
				b.consume(ch, "c")
				ok(t, ch.QueueDeclare(&wire.QueueDeclare{}, reply[*wire.QueueDeclareOk](b, "declare")))
				b.received()
				b.feed(test.feed(t))
				b.sent(fmt.Sprintf("0 connection.close %d", uint16(test.code)))
				err := b.c.Err()
				var e *core.Error
				if !errors.As(err, &e) || e.Code != test.code || e.Remote || !strings.Contains(err.Error(), "rabbit:5672") {
					t.Fatalf("ended with %v", err)
				}
				// Children hear at once, the connection when the peer answered.
				b.told("declare failed: "+err.Error(), "1 closed: "+err.Error())
				b.method(0, &wire.ConnectionCloseOk{})
				b.c.Lost(nil, b.now) // some offences leave the peer's answer unreadable
				b.told("closed: " + err.Error())
			})
		})
	}
}

func TestGarbageAfterOurCloseJustEnds(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	ok(t, b.c.Close(0, ""))
	b.received()
	b.feed([]byte{99, 0, 0, 0, 0, 0, 0, 0})
	b.sent()
	if !b.c.Finished() || !errors.Is(b.c.Err(), wire.FrameError) {
		t.Errorf("ended with %v", b.c.Err())
	}
}

// doc is the package comment.
func doc(t *testing.T) string {
	text, err := os.ReadFile("doc.go")
	ok(t, err)
	return string(text)
}

// otherOffences stand in the table and have tests of their own.
var otherOffences = []offence{
	{name: "TestMessageAboveMaxMessageClosesItsChannel", row: "body above MaxMessage", code: wire.ContentTooLarge},
	{name: "TestServerRefusesHandshakes", row: "mechanism that is not on offer", code: wire.AccessRefused},
	{name: "TestServerRefusesHandshakes", row: "limits above those offered", code: wire.NotAllowed},
	{name: "TestAPeerThatDoesNotReadCannotFillMemory", row: "answers that are not read", code: wire.ResourceError},
	{name: "client_deliveries.txt", row: "delivery to an unknown consumer", code: wire.NotFound},
}

// Every row of the documentation is tested.
func TestEveryDocumentedOffenceIsTested(t *testing.T) {
	_, table, _ := strings.Cut(doc(t), "// # Offences")
	for line := range strings.Lines(table) {
		what, code, isRow := offenceRow(line)
		if !isRow {
			continue
		}
		for part := range strings.SplitSeq(what, ", ") {
			tested := false
			for _, o := range slices.Concat(offences, serverOffences, otherOffences) {
				tested = tested || uint16(o.code) == code && (strings.Contains(part, o.row) || strings.Contains(o.row, part) || strings.Contains(what, o.row))
			}
			if !tested {
				t.Errorf("nothing tests %q with %d", part, code)
			}
		}
	}
}

var row = regexp.MustCompile(`^//\t(.*\S) +([0-9]{3}) (connection|channel)$`)

func offenceRow(line string) (what string, code uint16, ok bool) {
	m := row.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
	if m == nil {
		return "", 0, false
	}
	n, _ := strconv.Atoi(m[2])
	return m[1], uint16(n), true
}

func TestEveryOffenceStandsInTheDocumentation(t *testing.T) {
	lines := strings.Split(doc(t), "\n")
	for _, o := range slices.Concat(offences, serverOffences, otherOffences) {
		found := false
		for _, line := range lines {
			found = found || strings.Contains(line, o.row) && strings.Contains(line, fmt.Sprintf(" %d ", uint16(o.code)))
		}
		if !found {
			t.Errorf("doc.go has no row %q with code %d", o.row, uint16(o.code))
		}
	}
}
