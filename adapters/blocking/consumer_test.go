package blocking_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/internal/fakebroker"
	"github.com/haypile/haypile/core/wire"
)

func TestALoopGetsNothingOfAChannelThatHasEnded(t *testing.T) {
	settled := make(chan string, 10)
	three := deliveries(3, settled)
	_, ch := connect(t, func(s *fakebroker.Session, m wire.Method, n uint16, body []byte) {
		if m.ID() == wire.QueuePurgeID {
			s.Send(n, &wire.ChannelClose{ReplyCode: wire.NotFound, ReplyText: "NOT_FOUND", Cause: m.ID()})
			return
		}
		three(s, m, n, body)
	})
	var got []uint64
	var last error
	for d, err := range ch.Consume(testContext(t), &blocking.Consume{Queue: "q"}) {
		if last = err; err != nil {
			break
		}
		got = append(got, d.DeliveryTag)
		_, _ = ch.QueuePurge(testContext(t), &blocking.QueuePurge{Queue: "none"})
		<-ch.Done()
		if err := d.Ack(); !errors.Is(err, blocking.ErrClosed) || !errors.Is(err, blocking.NotFound) {
			t.Errorf("the ack of message %d: %v", d.DeliveryTag, err)
		}
	}
	if fmt.Sprint(got) != "[1]" || !errors.Is(last, blocking.NotFound) {
		t.Errorf("got messages %v, then %v", got, last)
	}
}

// streaming has a broker deliver to every consumer three messages of a stream,
// from where it asks.
func streaming(offsets chan<- any) func(n int) answer {
	return func(int) answer {
		return func(s *fakebroker.Session, m wire.Method, ch uint16, _ []byte) {
			c, ok := m.(*wire.BasicConsume)
			if !ok {
				return
			}
			offsets <- c.Arguments["x-stream-offset"]
			from, ok := c.Arguments["x-stream-offset"].(int64)
			if !ok {
				from = 10
			}
			items := []any{&wire.BasicConsumeOk{ConsumerTag: "c"}}
			for i := range int64(3) {
				items = append(items, &wire.BasicDeliver{ConsumerTag: "c", DeliveryTag: uint64(i + 1)},
					fakebroker.Content{Properties: wire.Properties{Headers: wire.Table{"x-stream-offset": from + i}}})
			}
			s.Send(ch, items...)
		}
	}
}

func TestAConsumerOfAStreamGoesOnWhereItWas(t *testing.T) {
	offsets := make(chan any, 10)
	r := connectRestarting(t, streaming(offsets))
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	args := blocking.Table{"x-stream-offset": "first"}
	var got []any
	for d, err := range r.ch.Consume(ctx, &blocking.Consume{Queue: "q", Arguments: args}) {
		if err != nil {
			t.Fatal(err)
		}
		h, _ := d.Properties.Headers()
		at, _, _ := h.Lookup("x-stream-offset")
		got = append(got, at)
		switch len(got) {
		case 1, 4, 5, 6:
			d.Ack()
		}
		if len(got) == 3 || len(got) == 6 {
			if err := r.ch.ConfirmSelect(ctx); err != nil { // the acks have been sent
				t.Fatal(err)
			}
			r.lose(t)
		}
		if len(got) == 7 {
			break
		}
	}
	if want := "[10 11 12 11 12 13 14]"; fmt.Sprint(got) != want {
		t.Errorf("got the messages at %v, want %v", got, want)
	}
	if first, second, third := <-offsets, <-offsets, <-offsets; first != "first" || second != int64(11) || third != int64(14) {
		t.Errorf("began at %v, then at %v, then at %v", first, second, third)
	}
	if args["x-stream-offset"] != "first" {
		t.Error("the caller's arguments were changed")
	}
}

// A broker that has been asked for all unacknowledged messages again does not know
// their old tags any more, and closes the channel over an ack of one.
func TestDeliveriesFromBeforeARecoverAreStale(t *testing.T) {
	settled := make(chan string, 10)
	two := deliveries(2, settled)
	_, ch := connect(t, func(s *fakebroker.Session, m wire.Method, n uint16, body []byte) {
		if m.ID() == wire.BasicRecoverID {
			again := func(tag uint64) []any {
				return []any{&wire.BasicDeliver{ConsumerTag: "c", DeliveryTag: tag, Redelivered: true}, "again"}
			}
			s.Send(n, append([]any{&wire.BasicDeliver{ConsumerTag: "c", DeliveryTag: 3}, "under way", &wire.BasicRecoverOk{}}, append(again(4), again(5)...)...)...)
			return
		}
		two(s, m, n, body)
	})
	var got []uint64
	for d, err := range ch.Consume(testContext(t), &blocking.Consume{Queue: "q"}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, d.DeliveryTag)
		if len(got) == 1 {
			if err := ch.Recover(testContext(t)); err != nil {
				t.Error(err)
			}
			if err := d.Ack(); !errors.Is(err, blocking.ErrStaleDelivery) {
				t.Errorf("the ack of a message that comes again: %v", err)
			}
			continue
		}
		if err := d.Ack(); err != nil {
			t.Error(err)
		}
		if len(got) == 3 {
			break
		}
	}
	if fmt.Sprint(got) != "[1 4 5]" {
		t.Errorf("got messages %v", got)
	}
	for _, want := range []string{"ack 4", "ack 5", "cancel"} {
		if s := <-settled; s != want {
			t.Errorf("the broker got %q, want %q", s, want)
		}
	}
}

func TestAnAutoDeleteQueueIsForgottenWithTheChannelOfItsLastConsumer(t *testing.T) {
	r := connectRestarting(t, names)
	ctx := testContext(t)
	for _, queue := range []string{"gone", "used"} {
		if _, err := r.ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: queue, AutoDelete: true}); err != nil {
			t.Fatal(err)
		}
	}
	var loops sync.WaitGroup
	begin := func(ch *blocking.Channel, queue string) {
		begun := make(chan struct{}, 10) // a message comes at each start
		loops.Go(func() {
			for _, err := range ch.Consume(ctx, &blocking.Consume{Queue: queue}) {
				if err == nil {
					begun <- struct{}{}
				}
			}
		})
		<-begun
	}
	one, other := open(t, r.conn), open(t, r.conn)
	begin(one, "gone")
	begin(one, "used")
	begin(other, "used")
	if err := one.Close(ctx); err != nil {
		t.Fatal(err)
	}
	r.lose(t)
	r.expect(t, "channel.open", `queue.declare "used"`, "channel.close")
	await[blocking.Recovered](t, r)
	if err := r.conn.Close(ctx); err != nil {
		t.Error(err)
	}
	loops.Wait()
}
