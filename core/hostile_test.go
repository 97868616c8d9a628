package core_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// What a peer makes the Conn send has an end, also when the peer never reads.
func TestAPeerThatDoesNotReadCannotFillMemory(t *testing.T) {
	serve := func(t *testing.T) *bench {
		b := newAnswering(t)
		b.method(1, &wire.ChannelOpen{}, &wire.ConfirmSelect{NoWait: true})
		b.received()
		return b
	}
	for _, test := range []struct {
		name string
		make func(t *testing.T) *bench
		feed []byte
	}{
		{"closes of a connection that we are closing", func(t *testing.T) *bench {
			b := opened(t, core.ClientConfig{MaxBuffered: 1000})
			ok(t, b.c.Close(0, ""))
			return b
		}, frames(t, 0, &wire.ConnectionClose{})},
		{"closes of a connection that a server is closing", func(t *testing.T) *bench {
			b := serve(t)
			ok(t, b.c.Close(0, ""))
			return b
		}, frames(t, 0, &wire.ConnectionClose{})},
		{"challenges", func(t *testing.T) *bench {
			b := newBench(t, core.ClientConfig{MaxBuffered: 1000, Mechanisms: []core.Mechanism{echo{}}})
			ok(t, b.c.Start(b.now))
			b.method(0, start())
			return b
		}, frames(t, 0, &wire.ConnectionSecure{Challenge: make([]byte, 100)})},
		{"flow", func(t *testing.T) *bench {
			b := opened(t, core.ClientConfig{MaxBuffered: 1000})
			b.channel()
			return b
		}, frames(t, 1, &wire.ChannelFlow{Active: true})},
		{"cancels", func(t *testing.T) *bench {
			b := opened(t, core.ClientConfig{MaxBuffered: 1000})
			b.channel()
			return b
		}, frames(t, 1, &wire.BasicCancel{ConsumerTag: "c"})},
		{"opened and closed channels", serve, frames(t, 2, &wire.ChannelOpen{}, &wire.ChannelClose{})},
		{"new secrets", serve, frames(t, 0, &wire.ConnectionUpdateSecret{})},
		{"declares", serve, frames(t, 1, &wire.QueueDeclare{})},
		{"gets", serve, frames(t, 1, &wire.BasicGet{})},
		{"publishes that are nacked", serve, frames(t, 1, &wire.BasicPublish{}, "")},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := test.make(t)
			var feed []byte
			for len(feed) < 64<<10 {
				feed = append(feed, test.feed...)
			}
			for range 100 { // 6 MB
				b.c.Feed(feed, b.now)
				b.log = nil
			}
			if n := b.c.Buffered(); n > 1100<<10 {
				t.Errorf("%d bytes wait", n)
			}
			if err := b.c.Err(); !errors.Is(err, wire.ResourceError) && !strings.HasPrefix(test.name, "closes") {
				t.Errorf("the connection ended with %v", err)
			}
		})
	}
}

// echo is a mechanism that answers for ever.
type echo struct{}

func (echo) Name() string                            { return "PLAIN" }
func (echo) Response() (wire.Secret, error)          { return wire.Secret{}, nil }
func (echo) Challenge(p []byte) (wire.Secret, error) { return wire.NewSecret(string(p)), nil }

// answering is a server that answers everything at once.
type answering struct{ core.NopServer }

func newAnswering(t *testing.T) *bench {
	b := &bench{t: t, now: epoch, split: whole}
	c, err := core.NewServer(core.ServerConfig{MaxBuffered: 1000}, answering{})
	ok(t, err)
	b.c = c
	ok(t, c.Start(b.now))
	b.method(0, []byte(wire.ProtocolHeader), startOk, tuneOk, open)
	return b
}

func (answering) OnAuth(c *core.Conn, _ string, _ wire.Secret)         { c.Accept() }
func (answering) OnUpdateSecret(c *core.Conn, _ wire.Secret, _ string) { c.Accept() }
func (answering) OnChannel(*core.Conn, *core.Channel) core.ServerChannelHandler {
	return answeringChannel{}
}

type answeringChannel struct{ core.NopServerChannel }

func (answeringChannel) OnMethod(ch *core.Channel, m wire.Method) {
	switch m.(type) {
	case *wire.QueueDeclare:
		ch.Send(&wire.QueueDeclareOk{Queue: "q"})
	case *wire.BasicGet:
		ch.Send(&wire.BasicGetEmpty{})
	}
}

func (answeringChannel) OnPublish(ch *core.Channel, p *core.Published) {
	ch.Send(&wire.BasicNack{DeliveryTag: p.Seq})
}

// halves are messages of n bytes, one for each channel, of which the last byte
// is missing.
func halves(t *testing.T, channels uint16, m wire.Method, n int) (p []byte) {
	for number := uint16(1); number <= channels; number++ {
		p = append(p, frames(t, number, m)...)
		p = wire.AppendHeaderFrame(p, number, wire.ClassBasic, uint64(n), nil)
		p = wire.AppendBody(p, number, make([]byte, n-1), 100_000)
	}
	return p
}

func TestUnfinishedBodiesOfAllChannelsAreBoundedTogether(t *testing.T) {
	const size = 400 << 10
	for name, test := range map[string]struct {
		b *bench
		m wire.Method
	}{
		"client": {opened(t, core.ClientConfig{MaxMessage: 1 << 20}), &wire.BasicDeliver{ConsumerTag: "c"}},
		"server": {serving(t, core.ServerConfig{MaxMessage: 1 << 20}), &wire.BasicPublish{}},
	} {
		b := test.b
		for number := uint16(1); number <= 5; number++ {
			switch {
			case name == "client":
				b.consume(b.channel(), "c")
			case number > 1:
				b.method(number, &wire.ChannelOpen{})
			}
		}
		b.received()
		b.log = nil
		b.feed(halves(t, 5, test.m, size))
		b.sent("4 channel.close 311", "5 channel.close 311") // three are the most that may exceed 64 KiB
		b.log = nil
		b.feed(wire.AppendBodyFrame(nil, 1, []byte("x"))) // which makes room
		b.feed(halves(t, 1, test.m, size))
		if len(b.log) != 1 || !b.c.IsOpen() {
			t.Errorf("%s: told %d lines; the connection ended with %v", name, len(b.log), b.c.Err())
		}
		b.method(4, &wire.ChannelCloseOk{})
		if len(b.log) != 2 || !strings.Contains(b.log[1], "311 CONTENT_TOO_LARGE") {
			t.Errorf("%s: told %q", name, b.log[1:])
		}
	}
}

func TestSmallMessagesOfManyChannelsMayInterleave(t *testing.T) {
	b := serving(t, core.ServerConfig{MaxMessage: 60_000})
	for number := uint16(2); number <= 25; number++ {
		b.method(number, &wire.ChannelOpen{})
	}
	b.log = nil
	for range 4 {
		b.feed(halves(t, 25, &wire.BasicPublish{}, 60_000))
		for number := uint16(1); number <= 25; number++ {
			b.feed(wire.AppendBodyFrame(nil, number, []byte("x")))
		}
	}
	if len(b.log) != 100 || b.c.Err() != nil {
		t.Errorf("%d messages came; the connection ended with %v", len(b.log), b.c.Err())
	}
}

func TestPropertiesOfUnfinishedMessagesAreBoundedToo(t *testing.T) {
	raw, err := (&wire.Properties{Headers: wire.Table{"k": strings.Repeat("v", 130_000)}}).Encode()
	ok(t, err)
	b := serving(t, core.ServerConfig{MaxMessage: 1})
	b.method(2, &wire.ChannelOpen{})
	for number := uint16(1); number <= 2; number++ {
		p := frames(t, number, &wire.BasicPublish{})
		b.feed(wire.AppendHeaderFrame(p, number, wire.ClassBasic, 1, raw))
	}
	b.sent("2 channel.open-ok", "2 channel.close 311") // the first alone may be large
	b.log = nil
	b.feed(wire.AppendBodyFrame(nil, 1, []byte("x")))
	b.told(`1 publish 0 to "": "x"`)
}

func TestUnansweredRequestsOfAllChannelsAreBoundedTogether(t *testing.T) {
	b := serving(t, core.ServerConfig{})
	feed := func(number uint16, n int) {
		purge := frames(t, number, &wire.QueuePurge{})
		var p []byte
		for range n {
			p = append(p, purge...)
		}
		b.feed(p)
	}
	b.method(2, &wire.ChannelOpen{})
	feed(1, 40_000)
	feed(2, 20_000)
	b.method(2, &wire.ChannelClose{}, &wire.ChannelOpen{}) // gives up what it asked
	feed(2, 25_536)
	if !b.c.IsOpen() {
		t.Fatalf("65,536 requests ended the connection: %v", b.c.Err())
	}
	feed(2, 1)
	if !errors.Is(b.c.Err(), wire.ResourceError) {
		t.Errorf("one more ended it with %v", b.c.Err())
	}
}

func TestRequestsThatAreAnsweredAreForgotten(t *testing.T) {
	b := newAnswering(t)
	b.method(1, &wire.ChannelOpen{})
	for _, p := range [][]byte{frames(t, 1, &wire.QueueDeclare{}), frames(t, 1, &wire.BasicGet{}), frames(t, 0, &wire.ConnectionUpdateSecret{})} {
		for range 66_000 {
			b.c.Feed(p, b.now)
			b.c.Advance(b.c.Buffered())
		}
	}
	if err := b.c.Err(); err != nil {
		t.Fatal(err)
	}
	grab := &grabber{}
	c, err := core.NewServer(core.ServerConfig{}, grab)
	ok(t, err)
	b.c = c
	ok(t, c.Start(b.now))
	b.method(0, []byte(wire.ProtocolHeader), startOk, tuneOk, open)
	b.method(1, &wire.ChannelOpen{}, &wire.QueueDeclare{})
	ok(t, grab.ch.Send(&wire.QueueDeclareOk{}))
	var e *core.ConfigError
	if err := grab.ch.Send(&wire.QueueDeclareOk{}); !errors.As(err, &e) {
		t.Errorf("a second answer: %v", err)
	}
}

// mute decides nothing.
type mute struct{ grabber }

func (*mute) OnUpdateSecret(*core.Conn, wire.Secret, string) {}

func TestSecretsThatNobodyJudgesAreBounded(t *testing.T) {
	b := &bench{t: t, now: epoch, split: whole}
	c, err := core.NewServer(core.ServerConfig{}, &mute{})
	ok(t, err)
	b.c = c
	ok(t, c.Start(b.now))
	b.method(0, []byte(wire.ProtocolHeader), startOk, tuneOk, open)
	secret := frames(t, 0, &wire.ConnectionUpdateSecret{})
	for range 65_536 {
		c.Feed(secret, b.now)
	}
	ok(t, c.Accept()) // of one, which makes room for one
	c.Feed(secret, b.now)
	if !c.IsOpen() {
		t.Fatalf("65,536 secrets ended the connection: %v", c.Err())
	}
	c.Feed(secret, b.now)
	if !errors.Is(c.Err(), wire.ResourceError) {
		t.Errorf("one more ended it with %v", c.Err())
	}
}
