package core_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// steady brings buffers to their size, then counts allocations.
func steady(t *testing.T, what string, f func()) {
	t.Helper()
	for range 100 {
		f()
	}
	if n := testing.AllocsPerRun(200, f); n != 0 {
		t.Errorf("%s: %v allocations", what, n)
	}
}

// take is what a transport does with output, without keeping any.
func take(c *core.Conn, segments *[][]byte) {
	*segments = c.Outbound((*segments)[:0])
	c.Advance(c.Buffered())
}

func TestAllocationsInSteadyState(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	ch := b.channel()
	props := &wire.Properties{ContentType: "text/plain", DeliveryMode: wire.Persistent, MessageID: "m"}
	raw, err := (&wire.Properties{ContentType: "text/plain", Headers: wire.Table{"a": 1, "b": "two"}}).Encode()
	ok(t, err)
	var out [][]byte
	for what, p := range map[string]*core.Publishing{
		"publish":                     {Exchange: "e", RoutingKey: "k", Body: make([]byte, 256)},
		"publish with properties":     {Exchange: "e", RoutingKey: "k", Properties: props, Body: make([]byte, 256)},
		"publish with raw properties": {Exchange: "e", RoutingKey: "k", RawProperties: raw, Body: make([]byte, 256)},
		"publish as mandatory":        {Exchange: "e", RoutingKey: "k", RawProperties: raw, Mandatory: true, Body: make([]byte, 256)},
		"publish of many frames":      {Exchange: "e", RoutingKey: "k", Body: make([]byte, 300_000)},
	} {
		steady(t, what, func() {
			if _, err := ch.Publish(p); err != nil {
				t.Fatal(err)
			}
			take(b.c, &out)
		})
	}
	large := &core.Publishing{RoutingKey: "k", Body: make([]byte, 300_000)}
	release := func(error) {}
	steady(t, "publish of a lent body", func() {
		if _, err := ch.PublishLoan(large, release); err != nil {
			t.Fatal(err)
		}
		take(b.c, &out)
	})
	ok(t, ch.Consume(&wire.BasicConsume{ConsumerTag: "c"}, func(d *core.Delivery) { ch.Ack(d.DeliveryTag, false) }, nil))
	b.method(1, &wire.BasicConsumeOk{ConsumerTag: "c"})
	delivery := frames(t, 1, &wire.BasicDeliver{ConsumerTag: "c", DeliveryTag: 1, Exchange: "e", RoutingKey: "some.key"})
	delivery = wire.AppendHeaderFrame(delivery, 1, wire.ClassBasic, 64, raw)
	delivery = wire.AppendBodyFrame(delivery, 1, make([]byte, 64))
	steady(t, "delivery and ack", func() {
		b.c.Feed(delivery, b.now)
		take(b.c, &out)
	})
	steady(t, "delivery in two pieces and ack", func() {
		b.c.Feed(delivery[:len(delivery)/2], b.now)
		b.c.Feed(delivery[len(delivery)/2:], b.now)
		take(b.c, &out)
	})
	stream := frames(t, 1, &wire.BasicDeliver{ConsumerTag: "c", DeliveryTag: 1, Exchange: "e", RoutingKey: "some.key"})
	stream = wire.AppendHeaderFrame(stream, 1, wire.ClassBasic, 1<<20, raw)
	stream = wire.AppendBody(stream, 1, make([]byte, 1<<20), 131072)
	half := len(stream) / 2
	b.c.Feed(stream[:half], b.now)
	stream = append(stream[half:len(stream):len(stream)], stream[:half]...)
	steady(t, "large deliveries, one after the other", func() {
		for i := 0; i < len(stream); i += 64 << 10 {
			b.c.Feed(stream[i:min(i+64<<10, len(stream))], b.now)
		}
		take(b.c, &out)
	})
	b.c.Feed(stream[:len(stream)-half], b.now)
	ch, err = b.c.OpenChannel(nil)
	ok(t, err)
	ok(t, ch.ConfirmSelect(&wire.ConfirmSelect{}, nil))
	b.method(2, &wire.ChannelOpenOk{}, &wire.ConfirmSelectOk{})
	p := &core.Publishing{RoutingKey: "k"}
	ack := frames(t, 2, &wire.BasicAck{Multiple: true})
	steady(t, "publish and confirm", func() {
		if _, err := ch.Publish(p); err != nil {
			t.Fatal(err)
		}
		take(b.c, &out)
		b.c.Feed(ack, b.now)
	})
}

func TestARequestAllocatesItsReplyAlone(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	ch := b.channel()
	req, queue := &wire.QueueDeclare{Queue: "q", Passive: true}, ""
	done := func(ok *wire.QueueDeclareOk, err error) { queue = ok.Queue }
	reply := frames(t, 1, &wire.QueueDeclareOk{Queue: "q"})
	var out [][]byte
	request := func() {
		if err := ch.QueueDeclare(req, done); err != nil {
			t.Fatal(err)
		}
		take(b.c, &out)
		b.c.Feed(reply, b.now)
	}
	request()
	const most = 2 // the reply and its text
	if n := testing.AllocsPerRun(200, request); n > most || queue != "q" {
		t.Errorf("%v allocations for the reply of %q, want at most %d", n, queue, most)
	}
}

// quiet is a server that delivers what is published and notes nothing.
type quiet struct {
	core.NopServer
	deliver wire.BasicDeliver
	content core.Content
	ack     wire.BasicAck
}

func (q *quiet) OnAuth(c *core.Conn, _ string, _ wire.Secret) { c.Accept() }
func (q *quiet) OnChannel(*core.Conn, *core.Channel) core.ServerChannelHandler {
	return quietChannel{q: q}
}

type quietChannel struct {
	core.NopServerChannel
	q *quiet
}

func (quietChannel) OnMethod(*core.Channel, wire.Method) {}

func (h quietChannel) OnPublish(ch *core.Channel, p *core.Published) {
	q := h.q
	q.deliver.ConsumerTag, q.deliver.Exchange, q.deliver.RoutingKey = "consumer", p.Exchange, p.RoutingKey
	q.deliver.DeliveryTag++
	q.content.RawProperties, q.content.Body = p.Properties, p.Body
	ch.Deliver(&q.deliver, &q.content)
	q.ack.DeliveryTag = p.Seq
	ch.Send(&q.ack)
}

// quietServer is open, with channel 1 in confirm mode.
func quietServer(t testing.TB) *bench {
	b := &bench{t: t, now: epoch, split: whole}
	c, err := core.NewServer(core.ServerConfig{}, &quiet{})
	ok(t, err)
	b.c = c
	ok(t, c.Start(b.now))
	b.method(0, []byte(wire.ProtocolHeader), startOk, tuneOk, open)
	b.method(1, &wire.ChannelOpen{}, &wire.ConfirmSelect{NoWait: true})
	b.received()
	return b
}

func TestAllocationsOfAServerInSteadyState(t *testing.T) {
	b := quietServer(t)
	raw, err := (&wire.Properties{ContentType: "text/plain", Headers: wire.Table{"a": 1, "b": "two"}}).Encode()
	ok(t, err)
	input := frames(t, 1, &wire.BasicPublish{Exchange: "e", RoutingKey: "some.key"})
	input = wire.AppendHeaderFrame(input, 1, wire.ClassBasic, 64, raw)
	input = wire.AppendBodyFrame(input, 1, make([]byte, 64))
	input = append(input, frames(t, 1, &wire.BasicAck{DeliveryTag: 1}, &wire.BasicNack{DeliveryTag: 2}, &wire.BasicReject{DeliveryTag: 3})...)
	var out [][]byte
	steady(t, "publish, deliver, confirm, settle", func() {
		b.c.Feed(input, b.now)
		take(b.c, &out)
	})
}

func TestAnIdleConnectionIsSmall(t *testing.T) {
	if n := heapOf(1000, func() *core.Conn { return idle(t) }); n > 1200 {
		t.Errorf("an idle connection takes %.0f bytes", n)
	}
}

func TestWhatABrokerSaysOfItselfIsKeptOnce(t *testing.T) {
	talk := frames(t, 0, &wire.ConnectionStart{
		VersionMinor: 9, Mechanisms: "PLAIN", Locales: "en_US",
		ServerProperties: wire.Table{"information": strings.Repeat("x", 2000)},
	}, &wire.ConnectionTune{Heartbeat: 60}, &wire.ConnectionOpenOk{})
	n := heapOf(1000, func() *core.Conn {
		c, err := core.NewClient(core.ClientConfig{}, nil)
		ok(t, err)
		ok(t, c.Start(epoch))
		c.Feed(talk, epoch)
		c.Advance(c.Buffered())
		c.Tick(epoch.Add(minute / 2))
		c.Advance(c.Buffered())
		if len(c.PeerProperties()["information"].(string)) != 2000 {
			t.Fatal("it is not what the broker said")
		}
		return c
	})
	if n > 1200 {
		t.Errorf("a connection takes %.0f bytes", n)
	}
}

// Also without heartbeats, large messages are not paid for when they have been over
// for a while.
func TestLittleIsKeptOfLargeMessages(t *testing.T) {
	raw, err := (&wire.Properties{Headers: wire.Table{"k": strings.Repeat("v", 100_000)}}).Encode()
	ok(t, err)
	p := frames(t, 1, &wire.BasicDeliver{ConsumerTag: "consumer"})
	p = wire.AppendHeaderFrame(p, 1, wire.ClassBasic, 300_000, raw)
	p = wire.AppendBody(p, 1, make([]byte, 300_000), 131072)
	large := func() *core.Conn {
		c := busy(t)
		for _, cut := range []int{50_000, 200_000, len(p)} {
			c.Feed(p[:cut], epoch)
			c.Feed(p[cut:], epoch)
		}
		ch, err := c.OpenChannel(nil)
		ok(t, err)
		for _, size := range append([]int{300_000}, slices.Repeat([]int{10}, 40)...) {
			_, err := ch.Publish(&core.Publishing{Body: make([]byte, size)})
			ok(t, err)
			c.Advance(c.Buffered())
		}
		if at := c.NextDeadline(); !at.Equal(epoch.Add(time.Second)) {
			t.Errorf("the next deadline is %s", at)
		}
		c.Tick(c.NextDeadline())
		return c
	}
	if n := heapOf(100, large); n > 20_000 {
		t.Errorf("a connection keeps %.0f bytes", n)
	}
}
