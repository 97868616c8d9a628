package queue

import (
	"testing"
	"time"
)

func expiring(body string, ttl time.Duration) *Message {
	m := msg(body)
	m.TTL = ttl
	return m
}

func TestMessagesExpireAtTheHead(t *testing.T) {
	h := with(t, "x-dead-letter-exchange", "dlx")
	h.q.Publish(expiring("1", 2*time.Second), h.now)
	h.q.Publish(expiring("2", time.Second), h.now)
	h.publish("3")
	expect(t, h.q.NextDeadline(), h.now.Add(2*time.Second))
	h.pass(2*time.Second - 1)
	h.holds("1", "2", "3")
	h.pass(1)
	h.holds("3")
	h.same(h.dead, []string{"1 expired", "2 expired"})
	expect(t, h.q.NextDeadline(), time.Time{})
}

func TestTheShorterTimeToLiveCounts(t *testing.T) {
	for name, tt := range map[string]struct{ message, first time.Duration }{
		"the queue's":   {time.Minute, time.Second},
		"the message's": {time.Millisecond, time.Millisecond},
		"none":          {NoTTL, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			h := with(t, "x-message-ttl", int32(1000))
			h.q.Publish(expiring("1", tt.message), h.now)
			expect(t, h.q.NextDeadline(), h.now.Add(tt.first))
		})
	}
}

func TestTimeToLiveZeroExpiresUnlessDeliveredAtOnce(t *testing.T) {
	h := with(t, "x-message-ttl", int32(0), "x-dead-letter-exchange", "dlx")
	h.publish("1")
	h.holds()
	h.same(h.dead, []string{"1 expired"})
	ch := &channel{room: 1}
	h.consume(ch, Consumer{Tag: "c"})
	h.publish("2", "3")
	h.same(ch.got, []string{"c 2"})
	h.same(h.dead, []string{"1 expired", "3 expired"})
	h.q.Return(ch.out, h.now)
	h.same(h.dead, []string{"1 expired", "3 expired", "2 expired"})
}

func TestExpiredMessagesAreNeverHandedOut(t *testing.T) {
	h := with(t, "x-message-ttl", int32(1000))
	h.publish("1")
	h.now = h.now.Add(time.Second)
	if e := h.get(); e != nil {
		t.Error("basic.get had an expired message")
	}
	h.publish("2")
	h.now = h.now.Add(time.Second)
	ch := &channel{room: 9}
	h.consume(ch, Consumer{Tag: "c"})
	h.same(ch.got, nil)
}

func TestTimeGoesOnWhileAMessageIsOut(t *testing.T) {
	h := with(t, "x-message-ttl", int32(1000))
	h.publish("1")
	e := h.get()
	h.pass(2 * time.Second)
	expect(t, h.q.Unacked(), 1)
	h.q.Return([]*Entry{e}, h.now)
	h.holds()
	h.same(h.gone, []string{"1"})
}

func TestUnusedQueuesExpire(t *testing.T) {
	h := with(t, "x-expires", int32(1000))
	h.publish("1")
	expect(t, h.q.NextDeadline(), h.now.Add(time.Second))
	expect(t, h.pass(time.Second-1), false)

	h.q.Touch(h.now)
	expect(t, h.pass(time.Second-1), false)
	h.get()
	expect(t, h.pass(time.Second-1), false)

	ch := &channel{}
	c := h.consume(ch, Consumer{})
	expect(t, h.q.NextDeadline(), time.Time{})
	expect(t, h.pass(time.Hour), false)
	h.q.Unsubscribe(c, h.now)
	expect(t, h.pass(time.Second-1), false)
	expect(t, h.pass(1), true)
}
