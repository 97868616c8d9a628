package core_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// lot is a delivery to the consumer c, with some properties.
func lot(t testing.TB, body []byte) []byte {
	raw, err := (&wire.Properties{MessageID: "m"}).Encode()
	ok(t, err)
	p := frames(t, 1, &wire.BasicDeliver{ConsumerTag: "c"})
	p = wire.AppendHeaderFrame(p, 1, wire.ClassBasic, uint64(len(body)), raw)
	return wire.AppendBody(p, 1, body, 131072)
}

// pattern is a body in which every piece is another.
func pattern(n int, seed byte) []byte {
	const period = 251 // which divides no piece
	p := make([]byte, period)
	for i := range p {
		p[i] = seed + byte(i)
	}
	return bytes.Repeat(p, n/period+1)[:n]
}

func TestTakenContentOutlivesTheCallback(t *testing.T) {
	for _, size := range []int{0, 10, 5_000, 70_000, 300_000, 2 << 20} {
		b := opened(t, core.ClientConfig{})
		ch := b.channel()
		var kept [][]byte
		ok(t, ch.Consume(&wire.BasicConsume{ConsumerTag: "c"}, func(d *core.Delivery) {
			props, body := d.TakeContent()
			if p, err := props.Decode(); err != nil || p.MessageID != "m" {
				t.Errorf("%d bytes: the properties are %+v, %v", size, p, err)
			}
			kept = append(kept, body)
			if again, none := d.TakeContent(); again != nil || none != nil || d.Body != nil {
				t.Errorf("%d bytes: what was taken is still there", size)
			}
			_ = append(body, "more"...) // which reaches nobody's memory
		}, nil))
		b.received()
		b.method(1, &wire.BasicConsumeOk{ConsumerTag: "c"})
		const messages = 3
		for _, step := range []int{5_000, 64 << 10, 256 << 10, 10 << 20} {
			kept = nil
			var p []byte
			for i := range messages {
				p = append(p, lot(t, pattern(size, byte(i)))...)
			}
			b.split = func(p []byte) int { return min(step, len(p)) }
			b.feed(p)
			for i, body := range kept {
				if !bytes.Equal(body, pattern(size, byte(i))) {
					t.Errorf("%d bytes in pieces of %d: body %d has changed", size, step, i)
				}
			}
			if len(kept) != messages {
				t.Errorf("%d bytes in pieces of %d: %d messages came", size, step, len(kept))
			}
		}
	}
}

// consuming is a client whose consumer c calls on.
func consuming(t testing.TB, on func(*core.Delivery)) *core.Conn {
	c := busy(t)
	ch, err := c.OpenChannel(nil)
	ok(t, err)
	ok(t, ch.Consume(&wire.BasicConsume{ConsumerTag: "c"}, on, nil))
	c.Feed(frames(t, ch.Number(), &wire.ChannelOpenOk{}, &wire.BasicConsumeOk{ConsumerTag: "c"}), epoch)
	c.Advance(c.Buffered())
	return c
}

// onChannel2 is lot on the channel of consuming.
func onChannel2(t testing.TB, body []byte) []byte {
	p := frames(t, 2, &wire.BasicDeliver{ConsumerTag: "c"})
	p = wire.AppendHeaderFrame(p, 2, wire.ClassBasic, uint64(len(body)), nil)
	return wire.AppendBody(p, 2, body, 131072)
}

func TestALargeBodyThatIsTakenIsAllocatedOnce(t *testing.T) {
	var last []byte
	c := consuming(t, func(d *core.Delivery) { _, last = d.TakeContent() })
	p := onChannel2(t, make([]byte, 1<<20))
	deliver := func() {
		for i := 0; i < len(p); i += 40_000 {
			c.Feed(p[i:min(i+40_000, len(p))], epoch)
		}
	}
	deliver()
	const most = 2 // one is for the properties
	if n := testing.AllocsPerRun(50, deliver); n > most {
		t.Errorf("%v allocations for a message", n)
	}
	if cap(last) != 1<<20 {
		t.Errorf("the body has room for %d bytes", cap(last))
	}
}

func TestLargeMessagesThatFollowOneAnotherShareABuffer(t *testing.T) {
	c := consuming(t, func(*core.Delivery) {})
	p, now := onChannel2(t, make([]byte, 1<<20)), epoch
	steady(t, "large deliveries with pauses", func() {
		now = now.Add(time.Second / 2)
		c.Feed(p[:100_000], now)
		c.Feed(p[100_000:], now)
		c.Tick(now)
	})
}

func TestWhatAHeaderClaimsIsNotAllocated(t *testing.T) {
	const channels, come = 200, 70_000
	one := func() *core.Conn {
		c := consuming(t, func(*core.Delivery) {})
		for range channels {
			ch, err := c.OpenChannel(nil)
			ok(t, err)
			ok(t, ch.Consume(&wire.BasicConsume{ConsumerTag: "c"}, func(*core.Delivery) {}, nil))
			p := frames(t, ch.Number(), &wire.ChannelOpenOk{}, &wire.BasicConsumeOk{ConsumerTag: "c"}, &wire.BasicDeliver{ConsumerTag: "c"})
			p = wire.AppendHeaderFrame(p, ch.Number(), wire.ClassBasic, core.DefaultMaxMessage, nil)
			p = wire.AppendBodyFrame(p, ch.Number(), make([]byte, come))
			c.Feed(p, epoch)
		}
		if c.Err() != nil {
			t.Errorf("the connection ended with %v", c.Err())
		}
		return c
	}
	if n := heapOf(1, one); n > channels*come*2+20<<20 {
		t.Errorf("%d bytes that came take %.0f", channels*come, n)
	}
}
