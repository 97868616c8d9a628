package core_test

import (
	"testing"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// confirms has a server whose client has published 5 messages answer them, and
// returns what the client reads.
func confirms(t *testing.T, cfg core.ServerConfig, answer func(ch *core.Channel, b *bench)) []wire.Method {
	t.Helper()
	b := &bench{t: t, now: epoch, split: whole}
	grab := &grabber{}
	c, err := core.NewServer(cfg, grab)
	ok(t, err)
	b.c = c
	ok(t, c.Start(b.now))
	b.method(0, []byte(wire.ProtocolHeader), startOk, tuneOk, open)
	b.method(1, &wire.ChannelOpen{}, &wire.ConfirmSelect{NoWait: true})
	for range 5 {
		b.method(1, &wire.BasicPublish{}, "x")
	}
	b.received()
	answer(grab.ch, b)
	b.flush()
	var got []wire.Method
	for len(b.in) > 0 {
		f, n, err := wire.ParseFrame(b.in, 0)
		ok(t, err)
		if b.in = b.in[n:]; f.Type == wire.FrameMethod {
			m, err := wire.Decode(f.Payload)
			ok(t, err)
			got = append(got, m)
		}
	}
	return got
}

func TestAcksInARowBecomeOne(t *testing.T) {
	ack := func(tag uint64) func(ch *core.Channel, b *bench) {
		return func(ch *core.Channel, b *bench) { ok(b.t, ch.Send(&wire.BasicAck{DeliveryTag: tag})) }
	}
	nack := func(tag uint64) func(ch *core.Channel, b *bench) {
		return func(ch *core.Channel, b *bench) { ok(b.t, ch.Send(&wire.BasicNack{DeliveryTag: tag})) }
	}
	back := func(ch *core.Channel, b *bench) { ok(b.t, ch.Return(&wire.BasicReturn{}, &core.Content{})) }
	leave := func(_ *core.Channel, b *bench) { b.flush() }
	half := func(_ *core.Channel, b *bench) {
		if segs := b.c.Outbound(nil); len(segs) > 0 {
			b.in = append(b.in, segs[0][:3]...)
			b.c.Advance(3)
		}
	}
	one := func(tag uint64) wire.Method { return &wire.BasicAck{DeliveryTag: tag} }
	upTo := func(tag uint64) wire.Method { return &wire.BasicAck{DeliveryTag: tag, Multiple: true} }
	type does = []func(*core.Channel, *bench)
	for _, test := range []struct {
		name string
		cfg  core.ServerConfig
		do   does
		want []wire.Method
	}{
		{"a single one is not multiple", core.ServerConfig{}, does{ack(1)}, []wire.Method{one(1)}},
		{"all in a row", core.ServerConfig{}, does{ack(1), ack(2), ack(3)}, []wire.Method{upTo(3)}},
		{"none that has left", core.ServerConfig{}, does{ack(1), leave, ack(2), ack(3)}, []wire.Method{one(1), upTo(3)}},
		{"none that has begun to leave", core.ServerConfig{}, does{ack(1), half, ack(2), ack(3)}, []wire.Method{one(1), upTo(3)}},
		{"none with a return between", core.ServerConfig{}, does{ack(1), back, ack(2), ack(3)}, []wire.Method{one(1), &wire.BasicReturn{}, upTo(3)}},
		{"none with a nack between", core.ServerConfig{}, does{ack(1), nack(2), ack(3), ack(4)}, []wire.Method{one(1), &wire.BasicNack{DeliveryTag: 2}, upTo(4)}},
		{"none while an earlier one is open", core.ServerConfig{}, does{ack(2), ack(3), ack(1), ack(4)}, []wire.Method{one(2), one(3), one(1), one(4)}},
		{"none that is traced", core.ServerConfig{Trace: func(*core.TraceFrame) {}}, does{ack(1), ack(2)}, []wire.Method{one(1), one(2)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := confirms(t, test.cfg, func(ch *core.Channel, b *bench) {
				for _, do := range test.do {
					do(ch, b)
				}
			})
			if len(got) != len(test.want) {
				t.Fatalf("got %d methods, want %d: %+v", len(got), len(test.want), got)
			}
			for i, m := range got {
				a, isAck := m.(*wire.BasicAck)
				w, wanted := test.want[i].(*wire.BasicAck)
				if m.ID() != test.want[i].ID() || isAck && wanted && *a != *w {
					t.Errorf("%d: got %+v, want %+v", i, m, test.want[i])
				}
			}
		})
	}
}
