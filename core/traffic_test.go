package core_test

import (
	"testing"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

func TestTrafficCountsWhatTheTraceSees(t *testing.T) {
	var traced core.Traffic
	count := func(f *core.TraceFrame) {
		if f.Sent {
			traced.FramesSent++
		} else {
			traced.FramesReceived++
		}
	}
	for name, trace := range map[string]func(*core.TraceFrame){"traced": count, "not traced": nil} {
		t.Run(name, func(t *testing.T) {
			inEverySplit(t, func(t *testing.T, s split) {
				traced = core.Traffic{}
				b := newBench(t, core.ClientConfig{Trace: trace})
				b.split = s
				b.handshake(wire.ConnectionTune{FrameMax: 4096})
				ch := b.channel()
				b.consume(ch, "c")
				for _, size := range []int{0, 1, 4088, 4089, 9000} {
					_, err := ch.Publish(&core.Publishing{Body: make([]byte, size)})
					ok(t, err)
					_, err = ch.PublishLoan(&core.Publishing{Body: make([]byte, size)}, func(error) {})
					ok(t, err)
				}
				b.method(1, &wire.BasicDeliver{ConsumerTag: "c"}, "a body", &wire.BasicDeliver{ConsumerTag: "c"}, "")
				got := b.c.Traffic()
				if trace != nil && (got.FramesSent != traced.FramesSent || got.FramesReceived != traced.FramesReceived) {
					t.Errorf("counted %+v, traced %+v", got, traced)
				}
				sent, received := uint64(5+2*(2+3+3+4+5)), uint64(5+3+2)
				if got.FramesSent != sent || got.FramesReceived != received {
					t.Errorf("%d frames out and %d in, want %d and %d", got.FramesSent, got.FramesReceived, sent, received)
				}
				if got.BytesSent+uint64(b.c.Buffered()) < 2*13000 || got.BytesReceived < 200 {
					t.Errorf("%d bytes out, %d in", got.BytesSent, got.BytesReceived)
				}
			})
		})
	}
}
