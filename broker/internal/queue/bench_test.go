package queue

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/haypile/haypile/core/wire"
)

type noHooks struct{}

func (noHooks) DeadLetter(*Queue, *Message, Reason) {}
func (noHooks) Gone(*Queue, *Message)               {}

// sink is a Receiver that keeps the last entry.
type sink struct {
	ready bool
	last  *Entry
}

func (s *sink) Ready(*Consumer) bool                    { return s.ready }
func (s *sink) Deliver(_ *Consumer, _ *Queue, e *Entry) { s.last = e }

var benchStart = time.Unix(1700000000, 0)

// deep is a queue with depth messages ready, spread over its priorities.
func deep(tb testing.TB, depth int, args ...any) *Queue {
	cfg, err := NewConfig("/", &wire.QueueDeclare{Queue: "q", Arguments: table(args...)})
	if err != nil {
		tb.Fatal(err)
	}
	q := New(cfg, noHooks{}, benchStart)
	m := msg("body")
	for i := range depth {
		m := m
		if cfg.MaxPriority > 0 {
			m = &Message{Body: m.Body, TTL: NoTTL, Priority: uint8(i)}
		}
		q.Publish(m, benchStart)
	}
	return q
}

// cycle is a message in, the first one out, and its ack.
func cycle(q *Queue, m *Message) {
	q.Publish(m, benchStart)
	q.Done(q.Get(benchStart))
}

func BenchmarkPublishGetAck(b *testing.B) {
	for _, depth := range []int{1, 1_000_000} {
		b.Run(fmt.Sprintf("depth=%d", depth), func(b *testing.B) {
			q, m := deep(b, depth), msg("body")
			b.ReportAllocs()
			for b.Loop() {
				cycle(q, m)
			}
		})
	}
	b.Run("depth=1000000/priorities=256", func(b *testing.B) {
		q, m := deep(b, 1_000_000, "x-max-priority", int32(255)), msg("body")
		b.ReportAllocs()
		for b.Loop() {
			cycle(q, m)
		}
	})
}

func BenchmarkReturn(b *testing.B) {
	for _, depth := range []int{1, 1_000_000} {
		b.Run(fmt.Sprintf("depth=%d", depth), func(b *testing.B) {
			q := deep(b, depth)
			entries := make([]*Entry, 1)
			b.ReportAllocs()
			for b.Loop() {
				entries[0] = q.Get(benchStart)
				q.Return(entries, benchStart)
			}
		})
	}
}

// One consumer is ready at a time, and those that are not cost nothing.
func BenchmarkDeliver(b *testing.B) {
	for _, consumers := range []int{1, 1000} {
		for _, depth := range []int{1, 1_000_000} {
			b.Run(fmt.Sprintf("consumers=%d/depth=%d", consumers, depth), func(b *testing.B) {
				q, m := deep(b, depth), msg("body")
				idle, busy := &sink{}, &sink{}
				for range consumers - 1 {
					if err := q.Subscribe(&Consumer{Receiver: idle}, benchStart); err != nil {
						b.Fatal(err)
					}
				}
				c := &Consumer{Receiver: &once{sink: busy}}
				if err := q.Subscribe(c, benchStart); err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				for b.Loop() {
					q.Publish(m, benchStart)
					busy.ready = true
					q.Wake(c)
					q.Dispatch(benchStart)
					q.Done(busy.last)
				}
			})
		}
	}
}

// once is ready for one message, as a consumer with a prefetch of one.
type once struct{ *sink }

func (o *once) Deliver(c *Consumer, q *Queue, e *Entry) {
	o.sink.Deliver(c, q, e)
	o.ready = false
}

func TestMessagesInSteadyStateAllocateNothing(t *testing.T) {
	q, m := deep(t, 1000, "x-max-length", int32(2000)), msg("body")
	s := &once{&sink{}}
	c := &Consumer{Receiver: s}
	if err := q.Subscribe(c, benchStart); err != nil {
		t.Fatal(err)
	}
	entries := make([]*Entry, 1)
	if n := testing.AllocsPerRun(5000, func() {
		q.Publish(m, benchStart)
		s.ready = true
		q.Wake(c)
		q.Dispatch(benchStart)
		q.Done(s.last)
		entries[0] = q.Get(benchStart)
		q.Return(entries, benchStart)
	}); n != 0 {
		t.Errorf("%v allocations a message", n)
	}
}

func TestADeepQueueIsSmall(t *testing.T) {
	const depth, limit = 200_000, 64
	heap := func() uint64 {
		var s runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	before := heap()
	q := deep(t, depth)
	each := float64(heap()-before) / depth
	runtime.KeepAlive(q)
	if each > limit {
		t.Errorf("%.0f bytes a message beside the message itself, above %d", each, limit)
	}
}
