package core_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

func TestChannelsTakeTheLowestFreeNumber(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	var chans []*core.Channel
	for range 200 {
		chans = append(chans, b.channel())
	}
	for _, i := range []int{150, 3, 70} {
		ok(t, chans[i].Close(0, ""))
		if ch, err := b.c.OpenChannel(nil); err != nil || int(ch.Number()) <= 200 {
			t.Fatalf("number %d is used before close-ok came: %v", i+1, err)
		}
	}
	for _, i := range []int{150, 3, 70} {
		b.method(uint16(i+1), &wire.ChannelCloseOk{})
	}
	var got []uint16
	for range 4 {
		ch, err := b.c.OpenChannel(nil)
		ok(t, err)
		got = append(got, ch.Number())
	}
	if !slices.Equal(got, []uint16{4, 71, 151, 204}) {
		t.Errorf("freed 4, 71 and 151; opened %v", got)
	}
}

func TestChannelNumbersAreLimited(t *testing.T) {
	b := newBench(t, core.ClientConfig{ChannelMax: 65535})
	b.handshake(wire.ConnectionTune{ChannelMax: 65535})
	for i := range 65535 {
		ch, err := b.c.OpenChannel(nil)
		if err != nil || int(ch.Number()) != i+1 {
			t.Fatalf("channel %d: %v", i+1, err)
		}
	}
	b.flush()
	b.in = nil
	if _, err := b.c.OpenChannel(nil); !errors.Is(err, core.ErrNoChannel) {
		t.Errorf("channel 65536: %v", err)
	}
	b.sent()
}

func TestExplicitChannelNumbers(t *testing.T) {
	b := newBench(t, core.ClientConfig{ChannelMax: 10})
	b.handshake(wire.ConnectionTune{})
	ch, err := b.c.OpenChannelNumber(7, nil)
	if err != nil || ch.Number() != 7 {
		t.Fatal(ch, err)
	}
	b.sent("7 channel.open")
	if _, err := b.c.OpenChannelNumber(7, nil); !errors.Is(err, core.ErrNoChannel) {
		t.Errorf("number in use: %v", err)
	}
	for _, n := range []uint16{0, 11} {
		if e := (*core.ConfigError)(nil); !func() bool { _, err := b.c.OpenChannelNumber(n, nil); return errors.As(err, &e) }() {
			t.Errorf("number %d is taken", n)
		}
	}
	b.sent()
}

func TestChannelsNeedAnOpenConnection(t *testing.T) {
	b := newBench(t, core.ClientConfig{})
	if _, err := b.c.OpenChannel(nil); !errors.Is(err, core.ErrNotOpen) {
		t.Errorf("before the handshake: %v", err)
	}
	b = opened(t, core.ClientConfig{})
	ok(t, b.c.Close(0, ""))
	if _, err := b.c.OpenChannel(nil); !errors.Is(err, core.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestBrokersChannelCloseFailsWhatIsPendingInOrder(t *testing.T) {
	inEverySplit(t, func(t *testing.T, s split) {
		b := opened(t, core.ClientConfig{})
		b.split = s
		ch, other := b.channel(), b.channel()
		ok(t, ch.QueueDeclare(&wire.QueueDeclare{}, reply[*wire.QueueDeclareOk](b, "declare")))
		ok(t, ch.Get(&wire.BasicGet{}, func(_ *core.Delivery, err error) { b.note("get failed: %v", err) }))
		ok(t, other.Qos(&wire.BasicQos{}, reply[*wire.BasicQosOk](b, "qos")))
		b.in = nil
		b.flush()
		b.in = nil
		b.method(1, &wire.ChannelClose{ReplyCode: 404, ReplyText: "NOT_FOUND - gone", Cause: wire.QueueDeclareID})
		b.sent("1 channel.close-ok")
		const why = "amqp: rabbit:5672: channel 1 closed by the broker: 404 NOT_FOUND - gone (queue.declare)"
		b.told("declare failed: "+why, "get failed: "+why, "1 closed: "+why)
		b.method(2, &wire.BasicQosOk{})
		b.told("qos ok")
		if _, err := ch.Publish(&core.Publishing{}); !errors.Is(err, core.ErrClosed) || !errors.Is(err, wire.NotFound) {
			t.Errorf("publish on the dead channel: %v", err)
		}
		if ch.IsOpen() || !errors.Is(ch.Err(), wire.NotFound) {
			t.Errorf("open %v, ended with %v", ch.IsOpen(), ch.Err())
		}
		if again, err := b.c.OpenChannel(nil); err != nil || again.Number() != 1 {
			t.Errorf("the number is not free: %v", err)
		}
	})
}

func TestClosingAChannelLetsAQueuedDeclareFinish(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	ch := b.channel()
	b.consume(ch, "c")
	ok(t, ch.QueueDeclare(&wire.QueueDeclare{}, reply[*wire.QueueDeclareOk](b, "declare")))
	ok(t, ch.Qos(&wire.BasicQos{}, reply[*wire.BasicQosOk](b, "qos")))
	ok(t, ch.Close(0, "bye"))
	b.sent("1 queue.declare", "1 basic.qos", "1 channel.close 200")
	if err := ch.Close(0, ""); !errors.Is(err, core.ErrClosed) {
		t.Errorf("second Close: %v", err)
	}
	b.method(1, &wire.BasicDeliver{ConsumerTag: "c", DeliveryTag: 1}, "dropped", &wire.QueueDeclareOk{}, &wire.BasicReturn{}, "back", &wire.ChannelFlow{}, &wire.BasicCancel{ConsumerTag: "c"}, &wire.ChannelCloseOk{})
	b.told("declare ok", `1 return of 0: 0 "back" to ""`, "qos failed: amqp: closed", "1 closed: <nil>")
	b.sent()
}

func TestChannelClosedByBothSidesAtOnce(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	ch := b.channel()
	ok(t, ch.Close(0, ""))
	b.received()
	b.method(1, &wire.ChannelClose{ReplyCode: 406})
	b.sent("1 channel.close-ok")
	b.told()
	b.method(1, &wire.ChannelCloseOk{})
	b.told("1 closed: amqp: rabbit:5672: channel 1 closed by the broker: 406 PRECONDITION_FAILED")
}

func TestFlowIsAnsweredAndStopsPublishing(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	ch := b.channel()
	b.method(1, &wire.ChannelFlow{Active: false})
	b.sent("1 channel.flow-ok false")
	if _, err := ch.Publish(&core.Publishing{}); !errors.Is(err, core.ErrBackpressure) {
		t.Errorf("publish while flow is off: %v", err)
	}
	b.method(1, &wire.ChannelFlow{Active: true})
	b.sent("1 channel.flow-ok true")
	if _, err := ch.Publish(&core.Publishing{}); err != nil {
		t.Errorf("publish after flow is on again: %v", err)
	}
	b.told("1 flow false", "1 flow true")
}

func TestCloseTextIsChecked(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	ch := b.channel()
	long := strings.Repeat("x", 256)
	var e *wire.EncodeError
	if err := ch.Close(0, long); !errors.As(err, &e) || !ch.IsOpen() {
		t.Errorf("channel: %v", err)
	}
	if err := b.c.Close(0, long); !errors.As(err, &e) || !b.c.IsOpen() {
		t.Errorf("connection: %v", err)
	}
	b.sent()
}
