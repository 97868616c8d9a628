package queue

import (
	"errors"
	"testing"

	"github.com/haypile/haypile/core/wire"
)

func TestConsumersAreServedInTurn(t *testing.T) {
	h := with(t)
	ch := &channel{room: 9}
	h.consume(ch, Consumer{Tag: "a"})
	h.consume(ch, Consumer{Tag: "b"})
	c := h.consume(ch, Consumer{Tag: "c"})
	h.publish("1", "2", "3", "4")
	h.q.Unsubscribe(c, h.now)
	h.publish("5", "6", "7")
	h.same(ch.got, []string{"a 1", "b 2", "c 3", "a 4", "b 5", "a 6", "b 7"})
	expect(t, h.q.Unacked(), 7)
}

func TestHigherPrioritiesAreServedFirst(t *testing.T) {
	h := with(t)
	low, high := &channel{room: 9}, &channel{room: 2}
	h.consume(low, Consumer{Tag: "low", Priority: -1})
	h.consume(low, Consumer{Tag: "middle"})
	c := h.consume(high, Consumer{Tag: "high", Priority: 10})
	h.publish("1", "2", "3")
	h.same(high.got, []string{"high 1", "high 2"})
	h.same(low.got, []string{"middle 3"})
	high.room++
	h.q.Wake(c)
	h.publish("4", "5")
	h.same(high.got, []string{"high 1", "high 2", "high 4"})
	h.same(low.got, []string{"middle 3", "middle 5"})
}

func TestConsumersThatAreNotReadyAreNotAskedAgain(t *testing.T) {
	h := with(t)
	ch := &channel{}
	c := h.consume(ch, Consumer{Tag: "c"})
	for range 10 {
		h.publish("x")
	}
	expect(t, ch.asks, 1)
	ch.room = 2
	h.q.Wake(c)
	h.q.Wake(c)
	h.q.Dispatch(h.now)
	expect(t, ch.asks, 4) // before it, at each message, and the last time in vain
	expect(t, len(ch.got), 2)
}

func TestConsumersWithoutAcksAreDoneAtOnce(t *testing.T) {
	h := with(t)
	ch := &channel{room: 1}
	h.publish("1")
	h.consume(ch, Consumer{Tag: "c", NoAck: true})
	h.publish("2")
	h.same(ch.got, []string{"c 1", "c 2"})
	h.same(h.gone, []string{"1", "2"})
	expect(t, h.q.Unacked(), 0)
}

func TestReturnedMessagesGoToAnotherConsumer(t *testing.T) {
	h := with(t)
	a, b := &channel{room: 2}, &channel{room: 5}
	h.publish("1", "2", "3")
	first := h.consume(a, Consumer{Tag: "a"})
	h.q.Unsubscribe(first, h.now)
	h.q.Return([]*Entry{a.out[1], a.out[0]}, h.now)
	h.consume(b, Consumer{Tag: "b"})
	h.same(b.got, []string{"b 1", "b 2", "b 3"})
	expect(t, []bool{b.out[0].Redelivered, b.out[1].Redelivered, b.out[2].Redelivered}, []bool{true, true, false})
}

func TestExclusiveConsumers(t *testing.T) {
	subscribe := func(h *harness, exclusive bool) error {
		return h.q.Subscribe(&Consumer{Exclusive: exclusive, Receiver: &channel{}}, h.now)
	}
	t.Run("keep others away", func(t *testing.T) {
		h := with(t)
		c := h.consume(&channel{}, Consumer{Exclusive: true})
		for _, exclusive := range []bool{false, true} {
			if err := subscribe(h, exclusive); !errors.Is(err, ErrExclusive) {
				t.Errorf("got %v", err)
			}
		}
		expect(t, h.q.Active(), c)
		h.q.Unsubscribe(c, h.now)
		expect(t, subscribe(h, false), nil)
		expect(t, h.q.Active(), (*Consumer)(nil))
	})
	t.Run("must be the first", func(t *testing.T) {
		h := with(t)
		h.consume(&channel{}, Consumer{})
		expect(t, subscribe(h, true), ErrExclusive)
	})
	t.Run("do not go with a single active one", func(t *testing.T) {
		h := with(t, "x-single-active-consumer", true)
		expect(t, subscribe(h, true), ErrExclusive)
	})
}

func TestSingleActiveConsumer(t *testing.T) {
	h := with(t, "x-single-active-consumer", true)
	ch := &channel{room: 9}
	a := h.consume(ch, Consumer{Tag: "a"})
	h.consume(ch, Consumer{Tag: "b"})
	c := h.consume(ch, Consumer{Tag: "c", Priority: 5})
	d := h.consume(ch, Consumer{Tag: "d", Priority: 5})
	h.publish("1", "2")
	h.q.Unsubscribe(d, h.now)
	h.publish("3")
	h.q.Unsubscribe(a, h.now)
	expect(t, h.q.Active(), c)
	h.publish("4")
	h.q.Unsubscribe(c, h.now)
	h.publish("5")
	h.same(ch.got, []string{"a 1", "a 2", "a 3", "c 4", "b 5"})
}

func TestTheSingleActiveConsumerKeepsTheQueueWhenItIsNotReady(t *testing.T) {
	h := with(t, "x-single-active-consumer", true)
	busy, idle := &channel{room: 1}, &channel{room: 9}
	h.consume(busy, Consumer{Tag: "a"})
	b := h.consume(idle, Consumer{Tag: "b"})
	h.publish("1", "2")
	h.q.Wake(b)
	h.q.Dispatch(h.now)
	h.same(idle.got, nil)
	h.holds("2")
}

func TestAutoDeleteQueuesGoWithTheLastConsumer(t *testing.T) {
	h := declare(t, wire.QueueDeclare{AutoDelete: true})
	expect(t, h.q.Expire(h.now), false)
	a, b := h.consume(&channel{}, Consumer{}), h.consume(&channel{}, Consumer{})
	expect(t, h.q.Unsubscribe(a, h.now), false)
	expect(t, h.q.Unsubscribe(a, h.now), false)
	expect(t, h.q.Unsubscribe(b, h.now), true)
}

func TestConsumersAreListedByAge(t *testing.T) {
	h := with(t)
	a := h.consume(&channel{}, Consumer{})
	b := h.consume(&channel{}, Consumer{Priority: 3})
	expect(t, h.q.Consumers(), []*Consumer{a, b})
}

func TestWakingAConsumerThatIsGoneIsHarmless(t *testing.T) {
	h := with(t)
	ch := &channel{room: 1}
	c := h.consume(ch, Consumer{})
	h.q.Unsubscribe(c, h.now)
	h.q.Wake(c)
	h.publish("1")
	h.holds("1")
}
