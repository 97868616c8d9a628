package queue

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/haypile/haypile/core/wire"
)

// harness is a queue with what a broker would have around it: its hooks, which
// record, and channels that keep what they were given.
type harness struct {
	t    *testing.T
	q    *Queue
	now  time.Time
	dead []string // "body reason", in order
	gone []string

	route func(m *Message, why Reason) // what to do with a dead letter
}

func declare(t *testing.T, d wire.QueueDeclare) *harness {
	t.Helper()
	if d.Queue == "" {
		d.Queue = "q"
	}
	cfg, err := NewConfig("/", &d)
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{t: t, now: time.Unix(1700000000, 0)}
	h.q = New(cfg, h, h.now)
	return h
}

// with is declare for arguments alone: names and values in turn.
func with(t *testing.T, args ...any) *harness {
	t.Helper()
	return declare(t, wire.QueueDeclare{Durable: true, Arguments: table(args...)})
}

func table(args ...any) wire.Table {
	t := wire.Table{}
	for i := 0; i < len(args); i += 2 {
		t[args[i].(string)] = args[i+1]
	}
	return t
}

func (h *harness) DeadLetter(_ *Queue, m *Message, why Reason) {
	h.dead = append(h.dead, string(m.Body)+" "+string(why))
	if h.route != nil {
		h.route(m, why)
	}
}

func (h *harness) Gone(_ *Queue, m *Message) { h.gone = append(h.gone, string(m.Body)) }

func msg(body string) *Message { return &Message{Body: []byte(body), TTL: NoTTL} }

// publish publishes messages with these bodies, which must be accepted.
func (h *harness) publish(bodies ...string) {
	h.t.Helper()
	for _, b := range bodies {
		if !h.q.Publish(msg(b), h.now) {
			h.t.Fatalf("%s was refused", b)
		}
	}
}

func (h *harness) get() *Entry { return h.q.Get(h.now) }

func (h *harness) pass(d time.Duration) (unused bool) {
	h.now = h.now.Add(d)
	return h.q.Expire(h.now)
}

// holds checks which messages are ready, in order.
func (h *harness) holds(want ...string) {
	h.t.Helper()
	var got []string
	var bytes int64
	for e := range h.q.Messages() {
		got = append(got, string(e.Message.Body))
		bytes += int64(len(e.Message.Body))
	}
	h.same(got, want)
	if h.q.Ready() != len(got) || h.q.ReadyBytes() != bytes {
		h.t.Errorf("%d messages with %d bytes are counted, %d with %d are there", h.q.Ready(), h.q.ReadyBytes(), len(got), bytes)
	}
}

func (h *harness) same(got, want []string) {
	h.t.Helper()
	if !slices.Equal(got, want) {
		h.t.Errorf("got %q, want %q", got, want)
	}
}

// channel is a Receiver with one prefetch for all its consumers.
type channel struct {
	room int
	got  []string // "tag body"
	out  []*Entry
	asks int
}

func (ch *channel) Ready(*Consumer) bool {
	ch.asks++
	return ch.room > 0
}

func (ch *channel) Deliver(c *Consumer, _ *Queue, e *Entry) {
	ch.got = append(ch.got, fmt.Sprintf("%s %s", c.Tag, e.Message.Body))
	if !c.NoAck {
		ch.room--
		ch.out = append(ch.out, e)
	}
}

// consume subscribes a consumer and dispatches.
func (h *harness) consume(ch *channel, c Consumer) *Consumer {
	h.t.Helper()
	c.Receiver = ch
	if err := h.q.Subscribe(&c, h.now); err != nil {
		h.t.Fatal(err)
	}
	h.q.Dispatch(h.now)
	return &c
}

func expect(t *testing.T, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}
