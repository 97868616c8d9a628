package queue

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/haypile/haypile/core/wire"
)

func TestMessagesComeInOrder(t *testing.T) {
	h := with(t)
	h.publish("1", "2", "3")
	h.holds("1", "2", "3")
	e := h.get()
	expect(t, string(e.Message.Body), "1")
	expect(t, e.Redelivered, false)
	expect(t, h.q.Unacked(), 1)
	h.q.Done(e)
	expect(t, h.q.Unacked(), 0)
	h.same(h.gone, []string{"1"})
	h.holds("2", "3")
}

func TestAnEmptyQueueHasNothingToGet(t *testing.T) {
	if e := with(t).get(); e != nil {
		t.Errorf("got %v", e)
	}
}

func TestReturnedMessagesHaveTheirOldPlaces(t *testing.T) {
	h := with(t)
	h.publish("1", "2", "3", "4", "5")
	var out []*Entry
	for range 4 {
		out = append(out, h.get())
	}
	h.q.Return([]*Entry{out[3], out[0]}, h.now)
	h.holds("1", "4", "5")
	h.q.Return([]*Entry{out[2], out[1]}, h.now)
	h.holds("1", "2", "3", "4", "5")
	expect(t, h.q.Unacked(), 0)
	e := h.get()
	expect(t, e.Redelivered, true)
	expect(t, e.DeliveryCount, int32(1))
}

func TestPriorities(t *testing.T) {
	h := with(t, "x-max-priority", int32(5))
	for _, p := range []uint8{0, 9, 3, 5, 3} {
		m := msg(string('0' + rune(p)))
		m.Priority = p
		h.q.Publish(m, h.now)
	}
	h.holds("9", "5", "3", "3", "0")
	e := h.get()
	h.holds("5", "3", "3", "0")
	h.q.Return([]*Entry{e}, h.now)
	h.holds("9", "5", "3", "3", "0")
}

func TestWithoutMaxPriorityThePropertyDoesNotCount(t *testing.T) {
	h := with(t)
	m := msg("high")
	m.Priority = 9
	h.publish("low")
	h.q.Publish(m, h.now)
	h.holds("low", "high")
}

func TestPurgeTakesWhatIsReady(t *testing.T) {
	h := with(t, "x-dead-letter-exchange", "dlx")
	h.publish("1", "2", "3")
	e := h.get()
	expect(t, h.q.Purge(), 2)
	h.holds()
	h.same(h.gone, []string{"2", "3"})
	h.same(h.dead, nil)
	h.q.Return([]*Entry{e}, h.now)
	h.holds("1")
}

func TestDeletingDropsAllAndLetsTheRestBeSettled(t *testing.T) {
	h := with(t, "x-dead-letter-exchange", "dlx", "x-expires", int32(5))
	h.publish("1", "2", "3", "4")
	a, b, c := h.get(), h.get(), h.get()
	h.consume(&channel{}, Consumer{})
	expect(t, h.q.Delete(), 1)
	expect(t, len(h.q.Consumers()), 0)
	h.q.Done(a)
	h.q.Reject(b)
	h.q.Return([]*Entry{c}, h.now)
	h.holds()
	expect(t, h.q.Unacked(), 0)
	h.same(h.gone, []string{"4", "1", "2", "3"})
	h.same(h.dead, nil)
	expect(t, h.q.NextDeadline(), time.Time{})
}

func TestRejectedMessages(t *testing.T) {
	t.Run("are dropped without a dead-letter exchange", func(t *testing.T) {
		h := with(t)
		h.publish("1")
		h.q.Reject(h.get())
		h.same(h.dead, nil)
		h.same(h.gone, []string{"1"})
	})
	t.Run("are dead-lettered with one", func(t *testing.T) {
		h := with(t, "x-dead-letter-exchange", "")
		h.publish("1")
		h.q.Reject(h.get())
		h.same(h.dead, []string{"1 rejected"})
		h.same(h.gone, []string{"1"})
	})
	t.Run("may come back to the same queue", func(t *testing.T) {
		h := with(t, "x-dead-letter-exchange", "")
		h.route = func(m *Message, _ Reason) { h.q.Publish(m, h.now) }
		h.publish("1", "2")
		h.q.Reject(h.get())
		h.holds("2", "1")
	})
}

func TestLengthLimitDropsTheHead(t *testing.T) {
	for name, tt := range map[string]struct {
		arg   string
		limit int32
	}{
		"in messages": {"x-max-length", 2},
		"in bytes":    {"x-max-length-bytes", 4},
	} {
		t.Run(name, func(t *testing.T) {
			h := with(t, tt.arg, tt.limit, "x-dead-letter-exchange", "dlx")
			h.publish("11", "22", "33")
			h.holds("22", "33")
			h.same(h.dead, []string{"11 maxlen"})
			e := h.get()
			h.publish("44", "55")
			h.holds("44", "55")
			h.q.Return([]*Entry{e}, h.now)
			h.holds("44", "55")
			h.same(h.dead, []string{"11 maxlen", "33 maxlen", "22 maxlen"})
		})
	}
}

func TestLengthLimitDropsTheHighestPriority(t *testing.T) {
	h := with(t, "x-max-length", int32(2), "x-max-priority", int32(5))
	for i, p := range []uint8{1, 5, 3, 0} {
		m := msg(string('a' + rune(i)))
		m.Priority = p
		h.q.Publish(m, h.now)
	}
	h.holds("a", "d")
}

func TestRefusingOverflow(t *testing.T) {
	for overflow, dead := range map[string][]string{
		"reject-publish":     nil,
		"reject-publish-dlx": {"2 maxlen"},
	} {
		t.Run(overflow, func(t *testing.T) {
			h := with(t, "x-max-length", int32(1), "x-overflow", overflow, "x-dead-letter-exchange", "dlx")
			h.publish("1")
			if h.q.Publish(msg("2"), h.now) {
				t.Error("a message over the limit was accepted")
			}
			h.holds("1")
			h.same(h.dead, dead)
			h.same(h.gone, nil)
			e := h.get()
			h.publish("3")
			h.q.Return([]*Entry{e}, h.now)
			h.holds("1", "3")
		})
	}
}

func TestLengthZero(t *testing.T) {
	t.Run("with drop-head lets a waiting consumer have the message", func(t *testing.T) {
		h := with(t, "x-max-length", int32(0))
		h.publish("lost")
		ch := &channel{room: 1}
		h.consume(ch, Consumer{Tag: "c"})
		h.publish("1", "2")
		h.same(ch.got, []string{"c 1"})
		h.holds()
	})
	t.Run("with reject-publish refuses it all the same", func(t *testing.T) {
		h := with(t, "x-max-length", int32(0), "x-overflow", "reject-publish")
		ch := &channel{room: 1}
		h.consume(ch, Consumer{})
		expect(t, h.q.Publish(msg("1"), h.now), false)
		h.same(ch.got, nil)
	})
}

func TestDeliveryLimitOfQuorumQueues(t *testing.T) {
	h := with(t, "x-queue-type", "quorum", "x-delivery-limit", int32(1), "x-dead-letter-exchange", "dlx")
	h.publish("1", "2", "3")
	a, b := h.get(), h.get()
	h.q.Return([]*Entry{b}, h.now)
	h.q.Return([]*Entry{a}, h.now)
	h.holds("2", "1", "3")
	e := h.get()
	expect(t, e.DeliveryCount, int32(1))
	h.q.Return([]*Entry{e}, h.now)
	h.same(h.dead, []string{"2 delivery_limit"})
	h.holds("1", "3")
	expect(t, h.q.Unacked(), 0)
}

func TestQuorumQueuesWithoutLimitPutReturnedMessagesBehind(t *testing.T) {
	h := with(t, "x-queue-type", "quorum")
	h.publish("1", "2", "3")
	a, b := h.get(), h.get()
	h.q.Return([]*Entry{b, a}, h.now)
	h.publish("4")
	h.holds("3", "2", "1", "4")
}

func TestClassicQueuesCountNoDeliveries(t *testing.T) {
	h := declare(t, wire.QueueDeclare{})
	h.publish("1")
	for range 50 {
		h.q.Return([]*Entry{h.get()}, h.now)
	}
	h.holds("1")
}

func TestManyMessagesReturnedInAnyOrder(t *testing.T) {
	const n = 3000
	h := with(t)
	var want []string
	for i := range n {
		want = append(want, strconv.Itoa(i))
	}
	h.publish(want...)
	var out []*Entry
	for range n {
		out = append(out, h.get())
	}
	rng := rand.New(rand.NewPCG(1, 1))
	rng.Shuffle(n, func(i, j int) { out[i], out[j] = out[j], out[i] })
	h.q.Return(out, h.now)
	h.holds(want...)
	var got []string
	for e := h.get(); e != nil; e = h.get() {
		got = append(got, string(e.Message.Body))
		h.q.Done(e)
	}
	h.same(got, want)
	expect(t, h.q.Unacked(), 0)
}
