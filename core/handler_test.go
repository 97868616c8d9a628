package core_test

import (
	"errors"
	"testing"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

func TestNobodyHasToListen(t *testing.T) {
	c, err := core.NewClient(core.ClientConfig{Host: "rabbit:5672", MaxBuffered: 100}, nil)
	ok(t, err)
	b := &bench{t: t, c: c, now: epoch, split: whole}
	ok(t, c.Start(b.now))
	b.method(0, start(), &wire.ConnectionTune{}, &wire.ConnectionOpenOk{})
	ch, err := c.OpenChannel(nil)
	ok(t, err)
	if ch.Conn() != c || c.Host() != "rabbit:5672" {
		t.Errorf("the channel belongs to %p at %q", ch.Conn(), c.Host())
	}
	ok(t, ch.ConfirmSelect(&wire.ConfirmSelect{}, nil))
	ok(t, ch.Consume(&wire.BasicConsume{ConsumerTag: "c"}, func(*core.Delivery) {}, nil))
	b.flush()
	for err == nil {
		_, err = ch.Publish(&core.Publishing{Mandatory: true, Body: make([]byte, 30)})
	}
	if !errors.Is(err, core.ErrBackpressure) {
		t.Fatal(err)
	}
	b.method(1, &wire.ChannelOpenOk{}, &wire.ConfirmSelectOk{}, &wire.BasicConsumeOk{ConsumerTag: "c"},
		&wire.BasicReturn{}, "back", &wire.BasicAck{DeliveryTag: 1}, &wire.ChannelFlow{Active: true}, &wire.BasicCancel{ConsumerTag: "c"})
	b.method(0, &wire.ConnectionBlocked{}, &wire.ConnectionUnblocked{})
	b.method(1, &wire.ChannelClose{ReplyCode: wire.NotFound})
	c.Lost(nil, b.now)
	if !errors.Is(ch.Err(), wire.NotFound) || !c.Finished() {
		t.Errorf("the channel ended with %v, the connection is finished: %v", ch.Err(), c.Finished())
	}
}

// keeper keeps the last return.
type keeper struct {
	core.NopChannel
	kept *core.Return
}

func (k *keeper) OnReturn(_ *core.Channel, r *core.Return) { k.kept = r.Clone() }

func TestCloneOfAReturnOutlivesTheCallback(t *testing.T) {
	props, err := (&wire.Properties{AppID: "app"}).Encode()
	ok(t, err)
	for _, test := range []struct {
		props wire.RawProperties
		body  string
	}{{props, "body"}, {props, ""}, {nil, "body"}, {nil, ""}} {
		inEverySplit(t, func(t *testing.T, s split) {
			b := opened(t, core.ClientConfig{})
			b.split = s
			k := new(keeper)
			ch, err := b.c.OpenChannel(k)
			ok(t, err)
			p := frames(t, 1, &wire.ChannelOpenOk{}, &wire.BasicReturn{ReplyCode: wire.NoRoute, ReplyText: "NO_ROUTE", Exchange: "e", RoutingKey: "k"})
			p = wire.AppendHeaderFrame(p, 1, wire.ClassBasic, uint64(len(test.body)), test.props)
			b.feed(wire.AppendBody(p, 1, []byte(test.body), 4096))
			r := k.kept
			k.kept = nil
			b.method(1, &wire.BasicReturn{}, "another that reuses the memory")
			app, has := r.Properties.AppID()
			if string(r.Body) != test.body || has != (test.props != nil) || has && app != "app" || r.Exchange != "e" || r.RoutingKey != "k" ||
				r.Text != "NO_ROUTE" || r.Code != wire.NoRoute || r.Channel != ch || k.kept == nil {
				t.Errorf("kept %+v", r)
			}
		})
	}
}
