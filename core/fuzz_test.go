package core_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// FuzzClientFeed plays a broker that sends anything. Whatever comes, the client
// does not panic, ends once, keeps its output within reason, and does the same
// however the bytes are cut.
func FuzzClientFeed(f *testing.F) {
	for _, o := range offences {
		t := &testing.T{}
		f.Add(true, uint64(1), o.feed(t))
	}
	t := &testing.T{}
	f.Add(false, uint64(0), frames(t, 0, start(), &wire.ConnectionTune{}, &wire.ConnectionOpenOk{}, &wire.ConnectionClose{}))
	f.Add(true, uint64(3), frames(t, 1, &wire.BasicDeliver{ConsumerTag: "c"}, "body", &wire.BasicAck{DeliveryTag: 1}, &wire.BasicReturn{}, "back",
		&wire.QueueDeclareOk{}, &wire.BasicGetOk{}, "got", &wire.ChannelFlow{}, &wire.BasicCancel{ConsumerTag: "c"}, &wire.ChannelClose{}))
	f.Add(true, uint64(3), frames(t, 1, &wire.ChannelClose{}, &wire.ChannelClose{}))
	f.Fuzz(func(t *testing.T, open bool, seed uint64, input []byte) {
		pieces, b := answer(t, open, randomly(seed), input), answer(t, open, whole, input)
		if !open || errors.Is(b.c.Err(), wire.FrameError) {
			return // the cuts decide how much of a foreign answer is quoted, and which of two faults in a frame is found
		}
		compare(t, "callbacks told, of pieces", pieces.log, b.log)
		if !bytes.Equal(pieces.in, b.in) {
			t.Errorf("to pieces the client sends\n%x\nand to the whole\n%x", pieces.in, b.in)
		}
	})
}

// answer is a client that was fed the input and then lost its transport.
func answer(t *testing.T, open bool, s split, input []byte) *bench {
	b := newBench(t, core.ClientConfig{MaxMessage: 1 << 16})
	b.split = s
	if open {
		b.handshake(wire.ConnectionTune{ChannelMax: 3, FrameMax: 8192})
		ch := b.channel()
		ok(t, ch.ConfirmSelect(&wire.ConfirmSelect{}, nil))
		ok(t, ch.Consume(&wire.BasicConsume{ConsumerTag: "c"}, func(d *core.Delivery) {
			b.deliver(d.Clone())
			ch.Ack(d.DeliveryTag, false)
		}, nil))
		b.method(1, &wire.ConfirmSelectOk{}, &wire.BasicConsumeOk{ConsumerTag: "c"})
		_, err := ch.Publish(&core.Publishing{Mandatory: true})
		ok(t, err)
		ok(t, ch.QueueDeclare(&wire.QueueDeclare{}, reply[*wire.QueueDeclareOk](b, "declare")))
		ok(t, ch.Get(&wire.BasicGet{}, func(_ *core.Delivery, err error) { b.note("got %v", err) }))
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
		if strings.HasPrefix(line, "closed: ") {
			closed++
		}
	}
	if closed != 1 || !b.c.Finished() {
		t.Errorf("told %v, finished %v", b.log, b.c.Finished())
	}
	return b
}

// FuzzServerFeed plays a client that sends anything.
func FuzzServerFeed(f *testing.F) {
	t := &testing.T{}
	for _, o := range serverOffences {
		if p := o.feed(t); len(p) < 1000 {
			f.Add(true, uint64(1), p)
		}
	}
	header := []byte(wire.ProtocolHeader)
	f.Add(false, uint64(0), frames(t, 0, header, startOk, tuneOk, open, &wire.ConnectionClose{}))
	f.Add(false, uint64(2), frames(t, 0, header, startOk, &wire.ConnectionClose{}))
	f.Add(false, uint64(2), []byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add(true, uint64(3), frames(t, 1, &wire.QueueDeclare{}, &wire.ConfirmSelect{}, &wire.BasicPublish{Mandatory: true}, "body", &wire.BasicConsume{},
		&wire.BasicAck{DeliveryTag: 1}, &wire.BasicGet{}, &wire.ChannelFlow{}, &wire.BasicCancelOk{}, &wire.ChannelClose{}, &wire.ChannelOpen{}))
	f.Fuzz(func(t *testing.T, open bool, seed uint64, input []byte) {
		pieces, b := attend(t, open, randomly(seed), input), attend(t, open, whole, input)
		if errors.Is(b.c.Err(), wire.FrameError) {
			return // the cuts decide which of two faults in a frame is found
		}
		compare(t, "callbacks told, of pieces", pieces.log, b.log)
		if !bytes.Equal(pieces.in, b.in) {
			t.Errorf("to pieces the server sends\n%x\nand to the whole\n%x", pieces.in, b.in)
		}
	})
}

// attend is a server that was fed the input and then lost its transport.
func attend(t *testing.T, open bool, s split, input []byte) *bench {
	var b *bench
	if open {
		b = serving(t, core.ServerConfig{MaxMessage: 1 << 16})
	} else {
		b = newServerBench(t, core.ServerConfig{MaxMessage: 1 << 16})
	}
	b.split = s
	b.feed(input)
	if len(b.in) > 4096+4*len(input) {
		t.Errorf("%d bytes of input made %d of output", len(input), len(b.in))
	}
	b.at(minute)
	b.c.Lost(nil, b.now)
	closed := 0
	for _, line := range b.log {
		if strings.HasPrefix(line, "closed: ") {
			closed++
		}
	}
	if closed != 1 || !b.c.Finished() {
		t.Errorf("told %v, finished %v", b.log, b.c.Finished())
	}
	return b
}
