package test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/haypile/haypile/adapters/blocking"
)

func TestAStreamIsReadOnWhereItsConsumerWas(t *testing.T) {
	conn := reopening(t, brokerURL(t), blocking.Recovery{}, make(events, 1000))
	ctx := testContext(t)
	out := channel(t, conn)
	stream := durable(t, conn, blocking.Table{"x-queue-type": "stream"})
	const messages = 10
	for n := range messages {
		publish(t, out, &blocking.Publishing{RoutingKey: stream, Body: fmt.Append(nil, n)})
	}
	in := channel(t, conn)
	var got []int64
	for d, err := range in.Consume(ctx, &blocking.Consume{Queue: stream, Prefetch: 3, Arguments: blocking.Table{"x-stream-offset": "first"}}) {
		if err != nil {
			t.Fatal(err)
		}
		at, _ := headersOf(t, d)["x-stream-offset"].(int64)
		got = append(got, at)
		if len(got) == 4 { // not settled, nor is what follows it
			if _, err := in.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: unique(t), Passive: true}); !errors.Is(err, blocking.NotFound) {
				t.Fatal(err)
			}
			continue
		}
		if err := d.Ack(); err != nil && !errors.Is(err, blocking.ErrStaleDelivery) {
			t.Error(err)
		}
		if at == messages-1 {
			break
		}
	}
	first := []int64{0, 1, 2, 3}
	for _, ahead := range [][]int64{nil, {4}, {4, 5}} { // that came before the loop heard of the channel's end
		if slices.Equal(got, slices.Concat(first, ahead, []int64{3, 4, 5, 6, 7, 8, 9})) {
			return
		}
	}
	t.Errorf("got the messages at %v", got)
}

func TestWhatIsRecoveredComesAgainAndIsAckedOnce(t *testing.T) {
	for name, opts := range map[string][]blocking.ChannelOption{"with single acks": nil, "with merged acks": {blocking.WithMergedAcks()}} {
		t.Run(name, func(t *testing.T) {
			conn := dial(t, "")
			ctx := testContext(t)
			ch, err := conn.Channel(ctx, opts...)
			if err != nil {
				t.Fatal(err)
			}
			q := queue(t, ch)
			const messages = 20
			for n := range messages {
				publish(t, ch, &blocking.Publishing{RoutingKey: q, Body: fmt.Append(nil, n)})
			}
			seen, acked := 0, map[string]bool{}
			for d, err := range ch.Consume(ctx, &blocking.Consume{Queue: q, Prefetch: 7}) {
				if err != nil {
					t.Fatal(err)
				}
				if seen++; seen%5 == 0 && seen < 50 {
					if err := ch.Recover(ctx); err != nil {
						t.Fatal(err)
					}
					if err := d.Ack(); !errors.Is(err, blocking.ErrStaleDelivery) {
						t.Errorf("the ack of what comes again: %v", err)
					}
					continue
				}
				if err := d.Ack(); err != nil {
					t.Error(err)
				}
				acked[string(d.Body)] = true
				if len(acked) == messages {
					break
				}
			}
			if n := ready(t, ch, q); n != 0 {
				t.Errorf("%d messages are left", n)
			}
		})
	}
}

func TestATransactionThatWasLostLeavesNothing(t *testing.T) {
	conn := reopening(t, brokerURL(t), blocking.Recovery{}, make(events, 1000))
	ctx := testContext(t)
	ch, other := channel(t, conn), channel(t, conn)
	q := queue(t, other)
	if err := ch.TxSelect(ctx); err != nil {
		t.Fatal(err)
	}
	send := func(body string) {
		t.Helper()
		if err := ch.Publish(ctx, &blocking.Publishing{RoutingKey: q, Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
	}
	send("lost")
	if _, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: unique(t), Passive: true}); !errors.Is(err, blocking.NotFound) {
		t.Fatal(err)
	}
	send("part of the lost one")
	if err := ch.TxCommit(ctx); !errors.Is(err, blocking.ErrTransactionLost) {
		t.Errorf("the commit: %v", err)
	}
	send("next")
	if err := ch.TxCommit(ctx); err != nil {
		t.Error(err)
	}
	if n := ready(t, other, q); n != 1 {
		t.Errorf("%d messages arrived", n)
	}
	if d := fetch(t, other, q); string(d.Body) != "next" {
		t.Errorf("%q arrived", d.Body)
	}
}
