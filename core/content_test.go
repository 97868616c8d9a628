package core_test

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

func TestContentOfSeveralChannelsMayInterleave(t *testing.T) {
	inEverySplit(t, func(t *testing.T, s split) {
		b := opened(t, core.ClientConfig{})
		b.split = s
		props, err := (&wire.Properties{MessageID: "id"}).Encode()
		ok(t, err)
		var parts [3][3][]byte // channel, part
		for i := range parts {
			n := uint16(i + 1)
			ch := b.channel()
			ok(t, ch.Consume(&wire.BasicConsume{ConsumerTag: "c"}, func(d *core.Delivery) {
				id, _ := d.Properties.MessageID()
				b.note("%d: %s %s", d.Channel.Number(), id, d.Body)
			}, nil))
			b.received()
			b.method(n, &wire.BasicConsumeOk{ConsumerTag: "c"})
			parts[i][0] = frames(t, n, &wire.BasicDeliver{ConsumerTag: "c"})
			parts[i][0] = wire.AppendHeaderFrame(parts[i][0], n, wire.ClassBasic, 6, props)
			parts[i][1] = wire.AppendBodyFrame(nil, n, []byte("abc"))
			parts[i][2] = wire.AppendBodyFrame(nil, n, []byte("def"))
		}
		for part := range 3 {
			for i := range parts {
				b.feed(parts[i][part])
			}
		}
		b.told("1: id abcdef", "2: id abcdef", "3: id abcdef")
	})
}

func TestMessageAboveTheLimitClosesItsChannelAlone(t *testing.T) {
	for _, size := range []uint64{101, 1 << 40, 1 << 63, math.MaxUint64} {
		inEverySplit(t, func(t *testing.T, s split) {
			b := opened(t, core.ClientConfig{MaxMessage: 100})
			b.split = s
			ch, other := b.channel(), b.channel()
			b.consume(ch, "c")
			p := frames(t, 1, &wire.BasicDeliver{ConsumerTag: "c"})
			p = wire.AppendHeaderFrame(p, 1, wire.ClassBasic, size, nil)
			for range 50 {
				p = wire.AppendBodyFrame(p, 1, make([]byte, 100))
			}
			b.feed(p)
			b.sent("1 channel.close 311")
			b.method(1, &wire.ChannelCloseOk{})
			if !errors.Is(ch.Err(), core.ErrMessageTooLarge) || !errors.Is(ch.Err(), wire.ContentTooLarge) || !other.IsOpen() {
				t.Errorf("ended with %v; the other is open: %v", ch.Err(), other.IsOpen())
			}
		})
	}
}

func TestAMessageMayBeAsLargeAsTheLimit(t *testing.T) {
	inEverySplit(t, func(t *testing.T, s split) {
		b := opened(t, core.ClientConfig{MaxMessage: 10})
		b.consume(b.channel(), "c")
		b.split = s
		b.method(1, &wire.BasicDeliver{ConsumerTag: "c"}, "ten bytes.")
		b.told(`delivery 0 to c: "ten bytes."`)
	})
}

func TestEmptyBodyFramesCostNothing(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	ch := b.channel()
	b.consume(ch, "c")
	p := frames(t, 1, &wire.BasicDeliver{ConsumerTag: "c"})
	p = wire.AppendHeaderFrame(p, 1, wire.ClassBasic, 1, nil)
	for range 1000 {
		p = wire.AppendBodyFrame(p, 1, nil)
	}
	b.feed(wire.AppendBodyFrame(p, 1, []byte("x")))
	b.told(`delivery 0 to c: "x"`)
}

func TestContentOutOfPlaceIsAnsweredAlikeHoweverItIsCut(t *testing.T) {
	deliver := func(size uint64, body ...string) func(*testing.T) []byte {
		return func(t *testing.T) []byte {
			p := frames(t, 1, &wire.BasicDeliver{ConsumerTag: "c"})
			p = wire.AppendHeaderFrame(p, 1, wire.ClassBasic, size, nil)
			for _, piece := range body {
				p = wire.AppendBodyFrame(p, 1, []byte(piece))
			}
			return p
		}
	}
	empty := func(channel uint16) []byte { return wire.AppendBodyFrame(nil, channel, nil) }
	for _, test := range []struct {
		name string
		feed func(*testing.T) []byte
		sent []string
		told []string
	}{
		{"body in many frames", deliver(4, "a", "", "bc", "d"), nil, []string{`delivery 0 to c: "abcd"`}},
		{"empty frame after the last", deliver(1, "a", ""), []string{"0 connection.close 505"}, []string{`delivery 0 to c: "a"`}},
		{"empty frame for an empty body", deliver(0, ""), []string{"0 connection.close 505"}, []string{`delivery 0 to c: ""`}},
		{"empty frame before the header", func(t *testing.T) []byte {
			return append(frames(t, 1, &wire.BasicDeliver{ConsumerTag: "c"}), empty(1)...)
		}, []string{"0 connection.close 505"}, nil},
		{"empty frame on a channel not open", func(*testing.T) []byte { return empty(2) }, []string{"0 connection.close 504"}, nil},
		{"empty frame on a closing channel", func(*testing.T) []byte { return empty(3) }, nil, nil},
		{"more than announced in the second frame", deliver(3, "ab", "cd"), []string{"0 connection.close 501"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			inEverySplit(t, func(t *testing.T, s split) {
				b := opened(t, core.ClientConfig{})
				b.consume(b.channel(), "c")
				second, third := b.channel(), b.channel()
				ok(t, third.Close(0, ""))
				ok(t, second.Close(0, ""))
				b.method(2, &wire.ChannelCloseOk{})
				b.received()
				b.log = nil
				b.split = s
				b.feed(test.feed(t))
				b.sent(test.sent...)
				var told []string
				for _, line := range b.log {
					if strings.HasPrefix(line, "delivery") {
						told = append(told, line)
					}
				}
				compare(t, "callbacks told", told, test.told)
			})
		})
	}
}

func TestPropertiesStayValidUntilTheirBodyIsWhole(t *testing.T) {
	inEverySplit(t, func(t *testing.T, s split) {
		b := opened(t, core.ClientConfig{})
		b.split = s
		ch := b.channel()
		var got wire.Properties
		ok(t, ch.Consume(&wire.BasicConsume{ConsumerTag: "c"}, func(d *core.Delivery) {
			var err error
			got, err = d.Properties.Decode()
			ok(t, err)
		}, nil))
		b.method(1, &wire.BasicConsumeOk{ConsumerTag: "c"})
		props, err := (&wire.Properties{MessageID: "id", Headers: wire.Table{"k": strings.Repeat("v", 5000)}}).Encode()
		ok(t, err)
		p := frames(t, 1, &wire.BasicDeliver{ConsumerTag: "c"})
		p = wire.AppendHeaderFrame(p, 1, wire.ClassBasic, 3, props)
		b.feed(p)
		b.feed([]byte(wire.HeartbeatFrame))
		b.method(0, &wire.ConnectionBlocked{Reason: "something in between"})
		b.feed(wire.AppendBodyFrame(nil, 1, []byte("abc")))
		if got.MessageID != "id" || got.Headers["k"] != strings.Repeat("v", 5000) {
			t.Errorf("properties became %q with %d headers", got.MessageID, len(got.Headers))
		}
	})
}

func TestBodyIsWholeHoweverItIsCut(t *testing.T) {
	want := bytes.Repeat([]byte("0123456789"), 1000)
	inEverySplit(t, func(t *testing.T, s split) {
		b := opened(t, core.ClientConfig{})
		b.split = s
		ch := b.channel()
		n := 0
		ok(t, ch.Consume(&wire.BasicConsume{ConsumerTag: "c"}, func(d *core.Delivery) {
			if bytes.Equal(d.Body, want) {
				n++
			}
		}, nil))
		b.method(1, &wire.BasicConsumeOk{ConsumerTag: "c"})
		for range 3 {
			p := frames(t, 1, &wire.BasicDeliver{ConsumerTag: "c"})
			p = wire.AppendHeaderFrame(p, 1, wire.ClassBasic, uint64(len(want)), nil)
			b.feed(wire.AppendBody(p, 1, want, 4096))
		}
		if n != 3 {
			t.Errorf("%d of 3 bodies are whole", n)
		}
	})
}

func TestTooLargeGetOnAClosingChannelHarmsNoOther(t *testing.T) {
	b := opened(t, core.ClientConfig{MaxMessage: 10})
	ch, other := b.channel(), b.channel()
	ok(t, ch.Get(&wire.BasicGet{}, func(d *core.Delivery, err error) {
		b.note("get: %v, too large %v", d, errors.Is(err, core.ErrMessageTooLarge))
	}))
	ok(t, ch.QueueDeclare(&wire.QueueDeclare{}, func(_ *wire.QueueDeclareOk, err error) {
		b.note("declare: too large %v", errors.Is(err, core.ErrMessageTooLarge))
	}))
	ok(t, ch.Close(0, ""))
	b.received()
	b.method(1, &wire.BasicGetOk{DeliveryTag: 1}, "more than ten bytes", &wire.QueueDeclareOk{}, &wire.ChannelCloseOk{})
	if !other.IsOpen() {
		t.Fatalf("the other channel ended with %v", other.Err())
	}
	if len(b.log) != 3 || b.log[0] != "get: <nil>, too large true" || b.log[1] != "declare: too large true" {
		t.Errorf("told %q", b.log)
	}
}
