package core_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

func TestServerNamedConsumerLosesNoDelivery(t *testing.T) {
	inEverySplit(t, func(t *testing.T, s split) {
		b := opened(t, core.ClientConfig{})
		b.split = s
		ch := b.channel()
		ok(t, ch.Consume(&wire.BasicConsume{Queue: "q"}, b.deliver, func(r *wire.BasicConsumeOk, err error) { b.note("consumer %s, %v", r.ConsumerTag, err) }))
		b.method(1, &wire.BasicConsumeOk{ConsumerTag: "amq.1"},
			&wire.BasicDeliver{ConsumerTag: "amq.1", DeliveryTag: 1}, "one",
			&wire.BasicDeliver{ConsumerTag: "amq.1", DeliveryTag: 2}, "",
			&wire.BasicDeliver{ConsumerTag: "amq.1", DeliveryTag: 3}, strings.Repeat("x", 9000))
		b.told("consumer amq.1, <nil>", `delivery 1 to amq.1: "one"`, `delivery 2 to amq.1: ""`,
			`delivery 3 to amq.1: "`+strings.Repeat("x", 9000)+`"`)
	})
}

func TestDeliveriesMayComeBeforeConsumeOk(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	ch := b.channel()
	ok(t, ch.Consume(&wire.BasicConsume{ConsumerTag: "c"}, b.deliver, reply[*wire.BasicConsumeOk](b, "consume")))
	b.method(1, &wire.BasicDeliver{ConsumerTag: "c", DeliveryTag: 1}, "early", &wire.BasicConsumeOk{ConsumerTag: "c"})
	b.told(`delivery 1 to c: "early"`, "consume ok")
}

func TestDeliveriesReachTheirConsumer(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	ch := b.channel()
	for _, tag := range []string{"a", "b", "c"} {
		b.consume(ch, tag)
	}
	for i, tag := range []string{"a", "c", "b", "b", "a"} {
		b.method(1, &wire.BasicDeliver{ConsumerTag: tag, DeliveryTag: uint64(i)}, "x")
	}
	b.told(`delivery 0 to a: "x"`, `delivery 1 to c: "x"`, `delivery 2 to b: "x"`, `delivery 3 to b: "x"`, `delivery 4 to a: "x"`)
}

func TestCanceledConsumerGetsWhatIsOnItsWay(t *testing.T) {
	for _, nowait := range []bool{false, true} {
		b := opened(t, core.ClientConfig{})
		ch := b.channel()
		b.consume(ch, "c")
		if nowait {
			ok(t, ch.Cancel(&wire.BasicCancel{ConsumerTag: "c", NoWait: true}, nil))
		} else {
			ok(t, ch.Cancel(&wire.BasicCancel{ConsumerTag: "c"}, reply[*wire.BasicCancelOk](b, "cancel")))
		}
		ok(t, ch.Qos(&wire.BasicQos{}, reply[*wire.BasicQosOk](b, "qos")))
		b.received()
		b.method(1, &wire.BasicDeliver{ConsumerTag: "c", DeliveryTag: 1}, "late")
		b.told(`delivery 1 to c: "late"`)
		if nowait {
			// The broker's channel has seen the cancel, but may have deliveries
			// of the queue still to pass on; not so after one more answer.
			b.method(1, &wire.BasicQosOk{}, &wire.BasicDeliver{ConsumerTag: "c", DeliveryTag: 1}, "later")
			ok(t, ch.Qos(&wire.BasicQos{}, nil))
			b.received()
			b.method(1, &wire.BasicQosOk{})
			b.told("qos ok", `delivery 1 to c: "later"`)
		} else {
			b.method(1, &wire.BasicCancelOk{ConsumerTag: "c"}, &wire.BasicQosOk{})
			b.told("cancel ok", "qos ok")
		}
		b.consume(ch, "c") // the tag is free again
		b.method(1, &wire.BasicDeliver{ConsumerTag: "c", DeliveryTag: 2}, "new")
		b.told(`delivery 2 to c: "new"`)
	}
}

func TestBrokersCancelEndsTheConsumer(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	ch := b.channel()
	b.consume(ch, "c")
	b.method(1, &wire.BasicCancel{ConsumerTag: "c", NoWait: true})
	b.told("1 cancel c")
	b.sent()
	b.consume(ch, "c")
	b.method(1, &wire.BasicCancel{ConsumerTag: "c"}, &wire.BasicCancel{ConsumerTag: "unknown"})
	b.told("1 cancel c")
	b.sent("1 basic.cancel-ok c", "1 basic.cancel-ok unknown")
}

func TestALateCancelOkSparesTheNextConsumerWithTheTag(t *testing.T) {
	for _, other := range []bool{false, true} {
		b := opened(t, core.ClientConfig{})
		ch := b.channel()
		b.consume(ch, "c")
		if other {
			b.consume(ch, "other")
		}
		ok(t, ch.Cancel(&wire.BasicCancel{ConsumerTag: "c"}, nil))
		b.method(1, &wire.BasicCancel{ConsumerTag: "c", NoWait: true}) // the broker was first
		ok(t, ch.Consume(&wire.BasicConsume{ConsumerTag: "c"}, b.deliver, nil))
		b.method(1, &wire.BasicCancelOk{ConsumerTag: "c"}, &wire.BasicConsumeOk{ConsumerTag: "c"})
		b.told("1 cancel c")
		if other {
			b.method(1, &wire.BasicDeliver{ConsumerTag: "other"}, "y")
			b.told(`delivery 0 to other: "y"`)
		}
		b.method(1, &wire.BasicDeliver{ConsumerTag: "c"}, "x")
		b.told(`delivery 0 to c: "x"`)
	}
}

func TestUnknownConsumerClosesTheChannel(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	ch := b.channel()
	ok(t, ch.Qos(&wire.BasicQos{}, reply[*wire.BasicQosOk](b, "qos")))
	b.received()
	b.method(1, &wire.BasicDeliver{ConsumerTag: "stranger", DeliveryTag: 1}, "dropped", &wire.BasicQosOk{})
	b.sent("1 channel.close 404")
	b.method(1, &wire.ChannelCloseOk{})
	const why = `amqp: rabbit:5672: channel 1 closed by us: 404 NOT_FOUND - delivery to the unknown consumer "stranger"`
	b.told("qos failed: "+why, "1 closed: "+why)
}

func TestGetsAreAnsweredInOrder(t *testing.T) {
	inEverySplit(t, func(t *testing.T, s split) {
		b := opened(t, core.ClientConfig{})
		b.split = s
		ch := b.channel()
		for range 3 {
			ok(t, ch.Get(&wire.BasicGet{Queue: "q"}, func(d *core.Delivery, err error) {
				if d == nil {
					b.note("nothing, %v", err)
					return
				}
				b.note("got %d %q, %d left", d.DeliveryTag, d.Body, d.MessageCount)
			}))
		}
		b.received()
		b.method(1, &wire.BasicGetOk{DeliveryTag: 1, MessageCount: 1}, "one", &wire.BasicGetEmpty{}, &wire.BasicGetOk{DeliveryTag: 2}, "two")
		b.told(`got 1 "one", 1 left`, "nothing, <nil>", `got 2 "two", 0 left`)
		if err := ch.Close(0, ""); err != nil {
			t.Fatal(err)
		}
		if err := ch.Get(&wire.BasicGet{}, func(*core.Delivery, error) {}); !errors.Is(err, core.ErrClosed) {
			t.Errorf("get on a closed channel: %v", err)
		}
	})
}

func TestGetIsToldOnceWhenTheConnectionDiesInItsBody(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	ch := b.channel()
	ok(t, ch.Get(&wire.BasicGet{}, func(d *core.Delivery, err error) { b.note("get %v %v", d, err) }))
	p := frames(t, 1, &wire.BasicGetOk{DeliveryTag: 1}, "half of it")
	b.feed(p[:len(p)-3])
	b.c.Lost(nil, b.now)
	const why = "amqp: rabbit:5672: the peer closed the transport"
	b.told("get <nil> "+why, "1 closed: "+why, "closed: "+why)
}

func TestSettlingIsSent(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	ch := b.channel()
	ok(t, ch.Ack(1, false))
	ok(t, ch.Ack(0, true))
	ok(t, ch.Nack(2, true, false))
	ok(t, ch.Nack(3, false, true))
	ok(t, ch.Reject(4, true))
	b.sent("1 basic.ack 1 false", "1 basic.ack 0 true", "1 basic.nack 2 true false", "1 basic.nack 3 false true", "1 basic.reject 4 true")
}

func TestCloneOutlivesTheCallback(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	ch := b.channel()
	var kept *core.Delivery
	ok(t, ch.Consume(&wire.BasicConsume{ConsumerTag: "c"}, func(d *core.Delivery) { kept = d.Clone() }, nil))
	props, err := (&wire.Properties{AppID: "app"}).Encode()
	ok(t, err)
	p := frames(t, 1, &wire.BasicConsumeOk{ConsumerTag: "c"}, &wire.BasicDeliver{ConsumerTag: "c", Exchange: "e", RoutingKey: "k"})
	p = wire.AppendHeaderFrame(p, 1, wire.ClassBasic, 4, props)
	b.feed(wire.AppendBodyFrame(p, 1, []byte("body")))
	b.method(1, &wire.BasicDeliver{ConsumerTag: "c"}, "")
	if app, _ := kept.Properties.AppID(); app != "" {
		t.Fatal("the second delivery was not seen")
	}
	b.feed(wire.AppendBodyFrame(p[len(frames(t, 1, &wire.BasicConsumeOk{ConsumerTag: "c"})):], 1, []byte("body")))
	if app, _ := kept.Properties.AppID(); app != "app" || string(kept.Body) != "body" || kept.Exchange != "e" || kept.RoutingKey != "k" {
		t.Errorf("kept %+v", kept)
	}
	if extended := append(kept.Properties, 'x'); string(kept.Body) != "body" || len(extended) == 0 {
		t.Error("appending to the properties reached the body")
	}
}

func TestServerNamedConsumerLeavesOthersTheirReply(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	ch := b.channel()
	for _, tag := range []string{"", "mine"} {
		ok(t, ch.Consume(&wire.BasicConsume{ConsumerTag: tag}, func(d *core.Delivery) { b.note("%q got one of %s", tag, d.ConsumerTag) },
			func(r *wire.BasicConsumeOk, err error) { b.note("%q is %s, %v", tag, r.ConsumerTag, err) }))
	}
	b.received()
	b.method(1, &wire.BasicConsumeOk{ConsumerTag: "mine"}, &wire.BasicConsumeOk{ConsumerTag: "amq.1"},
		&wire.BasicDeliver{ConsumerTag: "mine"}, "x", &wire.BasicDeliver{ConsumerTag: "amq.1"}, "y")
	b.told(`"mine" is mine, <nil>`, `"" is amq.1, <nil>`, `"mine" got one of mine`, `"" got one of amq.1`)
}

// RabbitMQ's queues send consume-ok and cancel-ok, and the channel's own replies
// overtake them.
func TestRepliesMayOvertakeThoseAboutConsumers(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	ch := b.channel()
	consume := func(tag string) {
		t.Helper()
		ok(t, ch.Consume(&wire.BasicConsume{ConsumerTag: tag}, b.deliver, func(r *wire.BasicConsumeOk, err error) { b.note("consume %q is %s, %v", tag, r.ConsumerTag, err) }))
	}
	consume("a")
	consume("")
	ok(t, ch.Qos(&wire.BasicQos{}, reply[*wire.BasicQosOk](b, "qos")))
	ok(t, ch.Cancel(&wire.BasicCancel{ConsumerTag: "a"}, reply[*wire.BasicCancelOk](b, "cancel")))
	ok(t, ch.QueueDeclare(&wire.QueueDeclare{}, reply[*wire.QueueDeclareOk](b, "declare")))
	ok(t, ch.Get(&wire.BasicGet{}, func(d *core.Delivery, err error) { b.note("got %q, %v", d.Body, err) }))
	b.received()
	b.method(1, &wire.BasicQosOk{}, &wire.BasicConsumeOk{ConsumerTag: "a"}, &wire.QueueDeclareOk{}, &wire.BasicConsumeOk{ConsumerTag: "amq.1"},
		&wire.BasicGetOk{}, "body", &wire.BasicCancelOk{ConsumerTag: "a"}, &wire.BasicDeliver{ConsumerTag: "amq.1", DeliveryTag: 9}, "x")
	b.told("qos ok", `consume "a" is a, <nil>`, "declare ok", `consume "" is amq.1, <nil>`, `got "body", <nil>`, "cancel ok", `delivery 9 to amq.1: "x"`)
	// But they do not overtake others.
	ok(t, ch.Qos(&wire.BasicQos{}, nil))
	ok(t, ch.Consume(&wire.BasicConsume{ConsumerTag: "b"}, b.deliver, nil))
	b.received()
	b.method(1, &wire.BasicConsumeOk{ConsumerTag: "b"})
	b.sent("0 connection.close 505")
}

// closer closes the channel as soon as a streamed message is whole.
type closer struct {
	b    *bench
	ch   *core.Channel
	left int
}

func (c *closer) OnBegin(_ *core.Delivery, size uint64) { c.left = int(size) }
func (c *closer) OnEnd(err error)                       { c.b.note("end: %v", err) }
func (c *closer) OnChunk(p []byte) {
	if c.left -= len(p); c.left == 0 {
		ok(c.b.t, c.ch.Close(0, ""))
	}
}

func TestAStreamThatClosesItsChannelEndsAlikeHoweverItIsCut(t *testing.T) {
	inEverySplit(t, func(t *testing.T, s split) {
		b := opened(t, core.ClientConfig{})
		ch := b.channel()
		ok(t, ch.ConsumeStream(&wire.BasicConsume{ConsumerTag: "c"}, &closer{b: b, ch: ch}, nil))
		b.split = s
		b.method(1, &wire.BasicConsumeOk{ConsumerTag: "c"}, &wire.BasicDeliver{ConsumerTag: "c"}, "body")
		b.told()
		b.method(1, &wire.ChannelCloseOk{})
		b.told("end: amqp: closed", "1 closed: <nil>")
	})
}
