package core_test

import (
	"testing"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// FuzzClientFeed plays a broker that sends anything. Whatever comes, the client
// does not panic, ends once, and keeps its output within reason.
func FuzzClientFeed(f *testing.F) {
	for _, o := range offences {
		t := &testing.T{}
		f.Add(true, uint64(1), o.feed(t))
	}
	t := &testing.T{}
	f.Add(false, uint64(0), frames(t, 0, start(), &wire.ConnectionTune{}, &wire.ConnectionOpenOk{}, &wire.ConnectionClose{}))
	f.Add(true, uint64(3), frames(t, 1, &wire.BasicDeliver{ConsumerTag: "c"}, "body", &wire.BasicAck{DeliveryTag: 1}, &wire.BasicReturn{}, "back",
		&wire.QueueDeclareOk{}, &wire.BasicGetOk{}, "got", &wire.ChannelFlow{}, &wire.BasicCancel{ConsumerTag: "c"}, &wire.ChannelClose{}))
	f.Fuzz(func(t *testing.T, open bool, seed uint64, input []byte) {
		b := newBench(t, core.ClientConfig{MaxMessage: 1 << 16})
		b.split = randomly(seed)
		if open {
			b.handshake(wire.ConnectionTune{ChannelMax: 3, FrameMax: 8192})
			ch := b.channel()
			ok(t, ch.ConfirmSelect(&wire.ConfirmSelect{}, nil))
			ok(t, ch.Consume(&wire.BasicConsume{ConsumerTag: "c"}, func(d *core.Delivery) {
				d.Clone()
				ch.Ack(d.DeliveryTag, false)
			}, nil))
			b.method(1, &wire.ConfirmSelectOk{}, &wire.BasicConsumeOk{ConsumerTag: "c"})
			_, err := ch.Publish(&core.Publishing{Mandatory: true})
			ok(t, err)
			ok(t, ch.QueueDeclare(&wire.QueueDeclare{}, reply[*wire.QueueDeclareOk](b, "declare")))
			ok(t, ch.Get(&wire.BasicGet{}, func(d *core.Delivery, err error) { b.note("got %v", err) }))
		} else {
			ok(t, b.c.Start(b.now))
		}
		b.in = nil
		b.feed(input)
		if len(b.in) > 4096+4*len(input) {
			t.Errorf("%d bytes of input made %d of output", len(input), len(b.in))
		}
		b.at(minute)
		b.c.Lost(nil, b.now)
		closed := 0
		for _, line := range b.log {
			if len(line) > 8 && line[:8] == "closed: " {
				closed++
			}
		}
		if closed != 1 || !b.c.Finished() {
			t.Errorf("told %v, finished %v", b.log, b.c.Finished())
		}
	})
}
