package core_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

func line(channel uint16, format string, args ...any) string {
	return fmt.Sprintf("%d ", channel) + fmt.Sprintf(format, args...)
}

// Misuse is an error of the call; nothing is sent and nothing panics.
func TestMisuseChangesNothing(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	ch := b.channel()
	long := string(make([]byte, 300))
	bad := wire.Table{"f": func() {}}
	for name, call := range map[string]func() error{
		"nil request":              func() error { return ch.QueueDeclare(nil, nil) },
		"nil consume":              func() error { return ch.Consume(nil, func(*core.Delivery) {}, nil) },
		"consume without callback": func() error { return ch.Consume(&wire.BasicConsume{}, nil, nil) },
		"stream without handler":   func() error { return ch.ConsumeStream(&wire.BasicConsume{}, nil, nil) },
		"nil get":                  func() error { return ch.Get(nil, func(*core.Delivery, error) {}) },
		"get without callback":     func() error { return ch.Get(&wire.BasicGet{}, nil) },
		"nil publish":              func() error { _, err := ch.Publish(nil); return err },
		"loan without release":     func() error { _, err := ch.PublishLoan(&core.Publishing{}, nil); return err },
		"nil loan":                 func() error { _, err := ch.PublishLoan(nil, func(error) {}); return err },
		"long routing key":         func() error { _, err := ch.Publish(&core.Publishing{RoutingKey: long}); return err },
		"long exchange":            func() error { _, err := ch.Publish(&core.Publishing{Exchange: long}); return err },
		"func in headers": func() error {
			_, err := ch.Publish(&core.Publishing{Properties: &wire.Properties{Headers: bad}})
			return err
		},
		"malformed raw properties": func() error {
			_, err := ch.Publish(&core.Publishing{RawProperties: wire.RawProperties{0xFF}})
			return err
		},
		"two kinds of properties": func() error {
			_, err := ch.Publish(&core.Publishing{Properties: &wire.Properties{}, RawProperties: wire.RawProperties{0, 0}})
			return err
		},
		"func in arguments": func() error { return ch.QueueDeclare(&wire.QueueDeclare{Arguments: bad}, nil) },
		"callback and no-wait": func() error {
			return ch.QueuePurge(&wire.QueuePurge{NoWait: true}, reply[*wire.QueuePurgeOk](b, "purge"))
		},
		"long close text":           func() error { return ch.Close(0, long) },
		"long connection close":     func() error { return b.c.Close(0, long) },
		"long reason of a secret":   func() error { return b.c.UpdateSecret(wire.NewSecret("s"), long, nil) },
		"secret above frame-max":    func() error { return b.c.UpdateSecret(wire.NewSecret(string(make([]byte, 200_000))), "", nil) },
		"channel number 0":          func() error { _, err := b.c.OpenChannelNumber(0, nil); return err },
		"channel number in use":     func() error { _, err := b.c.OpenChannelNumber(1, nil); return err },
		"second start":              func() error { return b.c.Start(b.now) },
		"send by a client":          func() error { return ch.Send(&wire.QueueDeclareOk{}) },
		"deliver by a client":       func() error { return ch.Deliver(&wire.BasicDeliver{}, &core.Content{}) },
		"return by a client":        func() error { return ch.Return(&wire.BasicReturn{}, &core.Content{}) },
		"get-ok by a client":        func() error { return ch.GetOk(&wire.BasicGetOk{}, &core.Content{}) },
		"fail by a client":          func() error { return ch.Fail(wire.NotFound, "", 0) },
		"connection fail by client": func() error { return b.c.Fail(wire.NotFound, "", 0) },
		"accept by a client":        func() error { return b.c.Accept() },
		"refuse by a client":        func() error { return b.c.Refuse(wire.NotAllowed, "") },
		"challenge by a client":     func() error { return b.c.Challenge(nil) },
		"block by a client":         func() error { return b.c.Block("") },
		"unblock by a client":       func() error { return b.c.Unblock() },
	} {
		if err := call(); err == nil {
			t.Errorf("%s: no error", name)
		}
		if lines := b.received(); len(lines) > 0 || !ch.IsOpen() {
			t.Errorf("%s: sent %q, channel open %v", name, lines, ch.IsOpen())
		}
	}
	b.told()
}

func TestMisuseByAServerChangesNothing(t *testing.T) {
	b := &bench{t: t, now: epoch, split: whole}
	grab := &grabber{}
	c, err := core.NewServer(core.ServerConfig{}, grab)
	ok(t, err)
	b.c = c
	ok(t, c.Start(b.now))
	for _, early := range []error{c.Fail(wire.NotAllowed, "", 0), c.Block(""), c.Unblock()} {
		if !errors.Is(early, core.ErrNotOpen) {
			t.Errorf("before the handshake: %v", early)
		}
	}
	if err := c.Accept(); !errors.Is(err, core.ErrNotAsked) {
		t.Errorf("accept before there is anything to accept: %v", err)
	}
	b.method(0, []byte(wire.ProtocolHeader), startOk, tuneOk, open)
	b.method(1, &wire.ChannelOpen{}, &wire.BasicGet{})
	b.received()
	ch := grab.ch
	long := string(make([]byte, 300))
	content := &core.Content{Body: []byte("x")}
	for name, call := range map[string]func() error{
		"nil method":           func() error { return ch.Send(nil) },
		"nil of a type":        func() error { return ch.Send((*wire.QueueDeclareOk)(nil)) },
		"method of clients":    func() error { return ch.Send(&wire.QueueDeclare{}) },
		"method with content":  func() error { return ch.Send(&wire.BasicDeliver{}) },
		"close as a method":    func() error { return ch.Send(&wire.ChannelClose{}) },
		"reply not owed":       func() error { return ch.Send(&wire.QueueDeclareOk{}) },
		"confirm not selected": func() error { return ch.Send(&wire.BasicNack{DeliveryTag: 1}) },
		"nil deliver":          func() error { return ch.Deliver(nil, content) },
		"nil content":          func() error { return ch.Deliver(&wire.BasicDeliver{}, nil) },
		"nil return":           func() error { return ch.Return(nil, content) },
		"nil get-ok":           func() error { return ch.GetOk(nil, content) },
		"get-ok, nil content":  func() error { return ch.GetOk(&wire.BasicGetOk{}, nil) },
		"long consumer tag":    func() error { return ch.Deliver(&wire.BasicDeliver{ConsumerTag: long}, content) },
		"malformed properties": func() error {
			return ch.Deliver(&wire.BasicDeliver{}, &core.Content{RawProperties: wire.RawProperties{1}})
		},
		"properties too large":  func() error { return ch.Deliver(&wire.BasicDeliver{}, large()) },
		"long text of a fail":   func() error { return ch.Fail(wire.NotFound, long, 0) },
		"long text, connection": func() error { return c.Fail(wire.NotAllowed, long, 0) },
		"long reason":           func() error { return c.Block(long) },
		"open by a server":      func() error { _, err := c.OpenChannel(nil); return err },
		"publish by a server":   func() error { _, err := ch.Publish(&core.Publishing{}); return err },
		"consume by a server":   func() error { return ch.Consume(&wire.BasicConsume{}, func(*core.Delivery) {}, nil) },
		"ack by a server":       func() error { return ch.Ack(1, false) },
		"request by a server":   func() error { return ch.QueueDeclare(&wire.QueueDeclare{}, nil) },
		"secret by a server":    func() error { return c.UpdateSecret(wire.Secret{}, "", nil) },
		"challenge unasked":     func() error { return c.Challenge(nil) },
		"refuse unasked":        func() error { return c.Refuse(wire.NotAllowed, "") },
	} {
		if err := call(); err == nil {
			t.Errorf("%s: no error", name)
		}
		if lines := b.received(); len(lines) > 0 || !ch.IsOpen() {
			t.Errorf("%s: sent %q, channel open %v", name, lines, ch.IsOpen())
		}
	}
	ok(t, ch.GetOk(&wire.BasicGetOk{DeliveryTag: 1}, content)) // still owed
	b.sent("1 basic.get-ok", "1 header 1", "1 body 1")
}

func large() *core.Content {
	return &core.Content{Properties: &wire.Properties{Headers: wire.Table{"k": string(make([]byte, 200_000))}}}
}

// grabber keeps the channel that was opened last.
type grabber struct {
	core.NopServer
	ch   *core.Channel
	told []string // of methods and publishes
}

func (*grabber) OnAuth(c *core.Conn, _ string, _ wire.Secret) { c.Accept() }
func (g *grabber) OnChannel(_ *core.Conn, ch *core.Channel) core.ServerChannelHandler {
	g.ch = ch
	return silent{g: g}
}

// silent answers nothing.
type silent struct {
	core.NopServerChannel
	g *grabber
}

func (s silent) OnMethod(_ *core.Channel, m wire.Method) {
	s.g.told = append(s.g.told, m.ID().String())
}
func (s silent) OnPublish(*core.Channel, *core.Published) { s.g.told = append(s.g.told, "publish") }

func TestPublishedCanBeKeptByClone(t *testing.T) {
	b := &bench{t: t, now: epoch, split: single}
	keep := &cloner{}
	c, err := core.NewServer(core.ServerConfig{}, keep)
	ok(t, err)
	b.c = c
	ok(t, c.Start(b.now))
	b.method(0, []byte(wire.ProtocolHeader), startOk, tuneOk, open)
	b.method(1, &wire.ChannelOpen{}, &wire.BasicPublish{Exchange: "e", RoutingKey: "one"}, "first", &wire.BasicPublish{RoutingKey: "two"}, "second")
	if p := keep.kept[0]; p.Exchange != "e" || p.RoutingKey != "one" || string(p.Body) != "first" {
		t.Errorf("kept %+v", p)
	}
}

type cloner struct {
	core.NopServer
	kept []*core.Published
}

func (*cloner) OnAuth(c *core.Conn, _ string, _ wire.Secret) { c.Accept() }
func (k *cloner) OnChannel(*core.Conn, *core.Channel) core.ServerChannelHandler {
	return clonerChannel{k: k}
}

type clonerChannel struct {
	core.NopServerChannel
	k *cloner
}

func (h clonerChannel) OnPublish(_ *core.Channel, p *core.Published) {
	h.k.kept = append(h.k.kept, p.Clone())
}
