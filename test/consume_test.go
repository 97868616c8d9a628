package test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// consume runs a consumer until the end of the test, which gets what it is
// delivered and, at its end, why it ended.
func consume(t *testing.T, ch *blocking.Channel, opts *blocking.Consume) (deliveries chan *blocking.Delivery, ended chan error) {
	t.Helper()
	deliveries, ended = make(chan *blocking.Delivery, 100), make(chan error, 1)
	ctx, cancel := context.WithCancel(testContext(t))
	over := make(chan struct{})
	before := consumers(t, ch, opts.Queue)
	go func() {
		defer close(over)
		for d, err := range ch.Consume(ctx, opts) {
			if err != nil {
				ended <- err
				return
			}
			deliveries <- d
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-over
	})
	eventually(t, "the consumer is there", func() bool { return consumers(t, ch, opts.Queue) > before })
	return deliveries, ended
}

// next waits for a delivery.
func next(t *testing.T, deliveries <-chan *blocking.Delivery) *blocking.Delivery {
	t.Helper()
	select {
	case d := <-deliveries:
		return d
	case <-time.After(bound):
		t.Fatal("no delivery")
		return nil
	}
}

func consumers(t *testing.T, ch *blocking.Channel, q string) int {
	t.Helper()
	ok, err := ch.QueueDeclare(testContext(t), &blocking.QueueDeclare{Queue: q, Passive: true})
	if err != nil {
		t.Fatal(err)
	}
	return int(ok.ConsumerCount)
}

func TestConsumerOfHigherPriorityIsServedFirst(t *testing.T) {
	conn := dial(t, "")
	ch := channel(t, conn)
	q := queue(t, ch)
	low, _ := consume(t, channel(t, conn), &blocking.Consume{Queue: q, Prefetch: 1, Arguments: blocking.Table{"x-priority": -1}})
	high, _ := consume(t, channel(t, conn), &blocking.Consume{Queue: q, Prefetch: 1, Arguments: blocking.Table{"x-priority": 10}})
	publish(t, ch, &blocking.Publishing{RoutingKey: q, Body: []byte("1")}, &blocking.Publishing{RoutingKey: q, Body: []byte("2")})
	// The second goes to the other, since the first has its hands full.
	if first, second := next(t, high), next(t, low); string(first.Body) != "1" || string(second.Body) != "2" {
		t.Errorf("got %s and %s", first.Body, second.Body)
	}
}

func TestNextConsumerTakesOverFromTheSingleActiveOne(t *testing.T) {
	conn := dial(t, "")
	ch, active := channel(t, conn), channel(t, conn)
	q := queueWith(t, ch, blocking.Table{"x-single-active-consumer": true})
	first, _ := consume(t, active, &blocking.Consume{Queue: q, Prefetch: 1})
	second, _ := consume(t, channel(t, conn), &blocking.Consume{Queue: q, Prefetch: 1})
	for n := range 3 {
		publish(t, ch, &blocking.Publishing{RoutingKey: q, Body: fmt.Append(nil, n)})
	}
	for n := range 2 {
		d := next(t, first)
		if string(d.Body) != fmt.Sprint(n) {
			t.Errorf("message %s instead of %d", d.Body, n)
		}
		if n == 0 {
			if err := d.Ack(); err != nil {
				t.Error(err)
			}
		}
	}
	if len(second) > 0 {
		t.Error("the second consumer is served, too")
	}
	if err := active.Close(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if d := next(t, second); string(d.Body) != "1" || !d.Redelivered {
		t.Errorf("the next one got %s, redelivered %v", d.Body, d.Redelivered)
	}
}

func TestExclusiveConsumerKeepsOthersOut(t *testing.T) {
	conn := dial(t, "")
	ch := channel(t, conn)
	q := queue(t, ch)
	consume(t, ch, &blocking.Consume{Queue: q, Exclusive: true})
	for _, err := range channel(t, conn).Consume(testContext(t), &blocking.Consume{Queue: q}) {
		if !errors.Is(err, blocking.AccessRefused) {
			t.Errorf("the second consumer got %v", err)
		}
		break
	}
}

func TestQueueOfAnotherConnectionIsLocked(t *testing.T) {
	q := queue(t, channel(t, dial(t, "")))
	_, err := channel(t, dial(t, "")).QueueDeclare(testContext(t), &blocking.QueueDeclare{Queue: q, Passive: true})
	if !errors.Is(err, blocking.ResourceLocked) {
		t.Errorf("error is %v", err)
	}
}

func TestConsumerTagInUseIsRefusedBeforeItIsSent(t *testing.T) {
	ch := channel(t, dial(t, ""))
	q := queue(t, ch)
	consume(t, ch, &blocking.Consume{Queue: q, Tag: "worker"})
	for _, err := range ch.Consume(testContext(t), &blocking.Consume{Queue: q, Tag: "worker"}) {
		as[*blocking.ConfigError](t, err)
	}
	if n := consumers(t, ch, q); n != 1 {
		t.Errorf("%d consumers afterwards", n)
	}
}

func TestLeftLoopGivesBackWhatItHasNotSeen(t *testing.T) {
	ch := channel(t, dial(t, ""))
	q := queue(t, ch)
	for n := range 20 {
		publish(t, ch, &blocking.Publishing{RoutingKey: q, Body: fmt.Append(nil, n)})
	}
	for d, err := range ch.Consume(testContext(t), &blocking.Consume{Queue: q}) {
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Ack(); err != nil {
			t.Error(err)
		}
		break
	}
	eventually(t, "19 messages back in the queue", func() bool { return ready(t, ch, q) == 19 })
	if d := fetch(t, ch, q); string(d.Body) != "1" {
		t.Errorf("the next message is %s", d.Body)
	}
}

func TestPrefetchBoundsWhatIsUnacked(t *testing.T) {
	for name, test := range map[string]struct {
		global    bool
		consumers int
		most      int // of unacknowledged deliveries
	}{
		"each consumer":       {false, 2, 6},
		"channel as a whole":  {true, 2, 3},
		"channel of only one": {true, 1, 3},
	} {
		t.Run(name, func(t *testing.T) {
			c := dialCallback(t, brokerURL(t), nil)
			const total = 20
			q := unique(t)
			var unacked []uint64
			seen, most := 0, 0
			err := c.onChannel(func(ch *core.Channel, done func(error)) {
				on := func(d *core.Delivery) {
					unacked = append(unacked, d.DeliveryTag)
					most = max(most, len(unacked))
					if seen++; seen < test.most {
						return
					}
					// The queue is asked behind what it may have sent: all that may
					// come has come.
					ch.QueueDeclare(&wire.QueueDeclare{Queue: q, Passive: true}, func(ok *wire.QueueDeclareOk, err error) {
						for _, tag := range unacked {
							ch.Ack(tag, false)
						}
						unacked = nil
						if seen == total {
							done(err)
						}
					})
				}
				ch.QueueDeclare(&wire.QueueDeclare{Queue: q, Exclusive: true}, nil)
				ch.Qos(&wire.BasicQos{PrefetchCount: 3, Global: test.global}, nil)
				for range test.consumers {
					ch.Consume(&wire.BasicConsume{Queue: q}, on, nil)
				}
				for range total {
					ch.Publish(&core.Publishing{RoutingKey: q})
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if most > test.most || most < 3 {
				t.Errorf("up to %d deliveries were unacknowledged, not %d", most, test.most)
			}
		})
	}
}

func TestRecoverBringsUnackedMessagesAgain(t *testing.T) {
	ch := channel(t, dial(t, ""))
	q := queue(t, ch)
	publish(t, ch, &blocking.Publishing{RoutingKey: q})
	deliveries, _ := consume(t, ch, &blocking.Consume{Queue: q})
	if d := next(t, deliveries); d.Redelivered {
		t.Error("a new message is redelivered")
	}
	if err := ch.Recover(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if d := next(t, deliveries); !d.Redelivered {
		t.Error("the message that came again does not say so")
	}
}

func TestSeveralGetsAreAnsweredInOrder(t *testing.T) {
	c := dialCallback(t, brokerURL(t), nil)
	q := unique(t)
	var got []string
	err := c.onChannel(func(ch *core.Channel, done func(error)) {
		ch.QueueDeclare(&wire.QueueDeclare{Queue: q, Exclusive: true}, nil)
		for _, body := range []string{"a", "b"} {
			ch.Publish(&core.Publishing{RoutingKey: q, Body: []byte(body)})
		}
		for n := range 3 {
			ch.Get(&wire.BasicGet{Queue: q, NoAck: true}, func(d *core.Delivery, err error) {
				switch {
				case err != nil:
					done(err)
				case d == nil:
					got = append(got, "nothing")
				default:
					got = append(got, string(d.Body))
				}
				if n == 2 {
					done(nil)
				}
			})
		}
	})
	if err != nil || !slices.Equal(got, []string{"a", "b", "nothing"}) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestWrongAcksEndTheChannelAlone(t *testing.T) {
	for name, tags := range map[string][]uint64{"second ack of one delivery": {1, 1}, "ack of what was never delivered": {7}} {
		t.Run(name, func(t *testing.T) {
			c := dialCallback(t, brokerURL(t), nil)
			q := unique(t)
			err := c.onChannel(func(ch *core.Channel, done func(error)) {
				ch.QueueDeclare(&wire.QueueDeclare{Queue: q, Exclusive: true}, nil)
				ch.Publish(&core.Publishing{RoutingKey: q})
				ch.Get(&wire.BasicGet{Queue: q}, func(*core.Delivery, error) {
					for _, tag := range tags {
						ch.Ack(tag, false)
					}
				})
			})
			if !errors.Is(err, wire.PreconditionFailed) {
				t.Errorf("channel ended with %v", err)
			}
			want(t, err, "unknown delivery tag", "basic.ack")
			c.works()
		})
	}
}

func TestSecondAckIsRefusedWithoutAWordToTheBroker(t *testing.T) {
	ch := channel(t, dial(t, ""))
	q := queue(t, ch)
	publish(t, ch, &blocking.Publishing{RoutingKey: q})
	d := fetch(t, ch, q)
	for _, again := range []func() error{d.Ack, func() error { return d.Nack(true) }, func() error { return d.Reject(false) }} {
		if err := again(); !errors.Is(err, blocking.ErrSettled) {
			t.Errorf("second settling: %v", err)
		}
	}
	if n := ready(t, ch, q); n != 0 {
		t.Errorf("%d messages came back", n)
	}
}

func TestAckAfterTheChannelsEndIsRefusedAndTheMessageComesAgain(t *testing.T) {
	conn := dial(t, "")
	ch, other := channel(t, conn), channel(t, conn)
	q := queue(t, ch)
	publish(t, ch, &blocking.Publishing{RoutingKey: q})
	d := take(t, ch, q)
	if err := ch.Close(testContext(t)); err != nil {
		t.Fatal(err)
	}
	acked := make(chan error, 1)
	if err := conn.AddCallbackThreadsafe(func() { acked <- d.Ack() }); err != nil {
		t.Fatal(err)
	}
	if err := <-acked; !errors.Is(err, blocking.ErrClosed) {
		t.Errorf("ack: %v", err)
	}
	if again := fetch(t, other, q); !again.Redelivered {
		t.Error("the message does not say that it comes again")
	}
	if _, err := ch.Get(testContext(t), &blocking.Get{Queue: q}); !errors.Is(err, blocking.ErrClosed) {
		t.Errorf("get on the closed channel: %v", err)
	}
}

// Direct reply-to: no queue is declared for the answers.
func TestRepliesComeToTheChannelThatAsked(t *testing.T) {
	const replies = "amq.rabbitmq.reply-to"
	server := channel(t, dial(t, ""))
	q := queue(t, server)
	requests, _ := consume(t, server, &blocking.Consume{Queue: q})
	answered := make(chan error, 1)
	ctx := testContext(t)
	go func() {
		d := <-requests
		to, _ := d.Properties.ReplyTo()
		id, _ := d.Properties.CorrelationID()
		answered <- errors.Join(d.Ack(), server.PublishConfirm(ctx, &blocking.Publishing{
			RoutingKey: to, Body: append([]byte("re: "), d.Body...), Properties: &blocking.Properties{CorrelationID: id},
		}))
	}()
	c := dialCallback(t, brokerURL(t), nil)
	err := c.onChannel(func(ch *core.Channel, done func(error)) {
		ch.Consume(&wire.BasicConsume{Queue: replies, NoAck: true}, func(d *core.Delivery) {
			id, _ := d.Properties.CorrelationID()
			if id != "42" || string(d.Body) != "re: hello" {
				t.Errorf("reply %s to %s", d.Body, id)
			}
			done(nil)
		}, nil)
		ch.Publish(&core.Publishing{RoutingKey: q, Body: []byte("hello"), Properties: &wire.Properties{ReplyTo: replies, CorrelationID: "42"}})
	})
	if err != nil {
		t.Error(err)
	}
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

func TestDeletedQueueEndsItsConsumer(t *testing.T) {
	conn := dial(t, "")
	ch, other := channel(t, conn), channel(t, conn)
	ctx := testContext(t)
	q := queue(t, ch)
	if err := ch.Publish(ctx, &blocking.Publishing{RoutingKey: q}); err != nil {
		t.Fatal(err)
	}
	var end error
	for d, err := range ch.Consume(ctx, &blocking.Consume{Queue: q}) {
		if err != nil {
			end = err
			break
		}
		d.Ack()
		if _, err := other.QueueDelete(ctx, &blocking.QueueDelete{Queue: q}); err != nil {
			t.Fatal(err)
		}
	}
	if !errors.Is(end, blocking.ErrCanceled) {
		t.Errorf("consumer ended with %v", end)
	}
	if queue(t, ch) == "" {
		t.Error("the channel does not work any more")
	}
}
