package test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
)

// deadLetters is a queue that gets what another one, with these arguments,
// drops.
func deadLetters(t *testing.T, ch *blocking.Channel, args blocking.Table) (from, to string) {
	t.Helper()
	to = queue(t, ch)
	all := blocking.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": to}
	for k, v := range args {
		all[k] = v
	}
	return queueWith(t, ch, all), to
}

// death is the newest entry of the message's x-death.
func death(t *testing.T, d *blocking.Delivery) blocking.Table {
	t.Helper()
	list, _ := headersOf(t, d)["x-death"].([]any)
	if len(list) == 0 {
		t.Fatalf("no x-death in %v", headersOf(t, d))
	}
	return list[0].(blocking.Table)
}

func TestDroppedMessagesAreDeadLetteredWithTheReason(t *testing.T) {
	body := func(s string) *blocking.Publishing { return &blocking.Publishing{Body: []byte(s)} }
	expiring := body("short-lived")
	expiring.Properties = &blocking.Properties{Expiration: "20"}
	for name, test := range map[string]struct {
		args   blocking.Table
		sent   []*blocking.Publishing
		drop   func(t *testing.T, d *blocking.Delivery) // nil: the broker does it by itself
		reason string
		body   string
	}{
		"lifetime of the message is over": {nil, []*blocking.Publishing{expiring}, nil, "expired", "short-lived"},
		"lifetime in the queue is over":   {blocking.Table{"x-message-ttl": 20}, []*blocking.Publishing{body("a")}, nil, "expired", "a"},
		"queue is too long":               {blocking.Table{"x-max-length": 1}, []*blocking.Publishing{body("old"), body("new")}, nil, "maxlen", "old"},
		"queue has too many bytes":        {blocking.Table{"x-max-length-bytes": 5}, []*blocking.Publishing{body("1234"), body("567")}, nil, "maxlen", "1234"},
		"consumer rejects the message": {nil, []*blocking.Publishing{body("bad")}, func(t *testing.T, d *blocking.Delivery) {
			if err := d.Reject(false); err != nil {
				t.Error(err)
			}
		}, "rejected", "bad"},
	} {
		t.Run(name, func(t *testing.T) {
			ch := channel(t, dial(t, ""))
			from, to := deadLetters(t, ch, test.args)
			for _, p := range test.sent {
				sent := *p
				sent.RoutingKey = from
				publish(t, ch, &sent)
			}
			if test.drop != nil {
				test.drop(t, take(t, ch, from))
			}
			d := fetch(t, ch, to)
			x := death(t, d)
			if string(d.Body) != test.body || x["reason"] != test.reason || x["queue"] != from || x["count"] != int64(1) {
				t.Errorf("%q arrived with x-death %v", d.Body, x)
			}
			if at, ok := x["time"].(time.Time); !ok || at.IsZero() {
				t.Errorf("time is %v", x["time"])
			}
		})
	}
}

func TestQueueThatNobodyUsesExpires(t *testing.T) {
	ch := channel(t, dial(t, ""))
	q := queueWith(t, ch, blocking.Table{"x-expires": 50})
	eventually(t, "queue gone", func() bool { // asking for it would count as use
		err := ch.PublishConfirm(testContext(t), &blocking.Publishing{RoutingKey: q, Mandatory: true})
		return errors.Is(err, blocking.ErrUnroutable)
	})
}

func TestFullQueueDropsTheOldestOrRefusesTheNewest(t *testing.T) {
	for overflow, kept := range map[string]string{"drop-head": "2", "reject-publish": "1", "reject-publish-dlx": "1"} {
		t.Run(overflow, func(t *testing.T) {
			ch := channel(t, dial(t, ""))
			q := queueWith(t, ch, blocking.Table{"x-max-length": 1, "x-overflow": overflow})
			ctx := testContext(t)
			for n, refused := range []bool{false, overflow != "drop-head"} {
				err := ch.PublishConfirm(ctx, &blocking.Publishing{RoutingKey: q, Body: fmt.Append(nil, n+1)})
				if (err != nil) != refused {
					t.Errorf("message %d: %v", n+1, err)
				}
			}
			if d := fetch(t, ch, q); string(d.Body) != kept || d.MessageCount != 0 {
				t.Errorf("message %s was kept, and %d more", d.Body, d.MessageCount)
			}
		})
	}
}

func TestHigherPriorityComesFirst(t *testing.T) {
	ch := channel(t, dial(t, ""))
	q := queueWith(t, ch, blocking.Table{"x-max-priority": 5})
	for _, n := range []uint8{1, 5, 0, 3} {
		publish(t, ch, &blocking.Publishing{RoutingKey: q, Properties: &blocking.Properties{Priority: n}})
	}
	var order []uint8
	for range 4 {
		n, _ := fetch(t, ch, q).Properties.Priority()
		order = append(order, n)
	}
	if !slices.Equal(order, []uint8{5, 3, 1, 0}) {
		t.Errorf("priorities came as %v", order)
	}
}

// durable declares a queue of a type that has to outlive connections, and
// deletes it at the end.
func durable(t *testing.T, conn *blocking.Conn, args blocking.Table) string {
	t.Helper()
	q := unique(t)
	ctx := testContext(t)
	if _, err := channel(t, conn).QueueDeclare(ctx, &blocking.QueueDeclare{Queue: q, Durable: true, Arguments: args}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := channel(t, conn).QueueDelete(testContext(t), &blocking.QueueDelete{Queue: q}); err != nil {
			t.Error(err)
		}
	})
	return q
}

func TestQuorumQueueGivesUpAMessageThatFailsTooOften(t *testing.T) {
	conn := dial(t, "")
	ch := channel(t, conn)
	dead := queue(t, ch)
	q := durable(t, conn, blocking.Table{
		"x-queue-type": "quorum", "x-delivery-limit": 2,
		"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead,
	})
	publish(t, ch, &blocking.Publishing{RoutingKey: q, Body: []byte("poison")})
	var counts []any
	for d, err := range ch.Consume(testContext(t), &blocking.Consume{Queue: q}) {
		if err != nil {
			t.Fatal(err)
		}
		if d.Redelivered != (len(counts) > 0) {
			t.Errorf("delivery %d is redelivered: %v", len(counts)+1, d.Redelivered)
		}
		counts = append(counts, headersOf(t, d)["x-delivery-count"])
		if err := d.Nack(true); err != nil {
			t.Error(err)
		}
		if len(counts) == 3 {
			break
		}
	}
	if !slices.Equal(counts[1:], []any{int64(1), int64(2)}) {
		t.Errorf("x-delivery-count was %v", counts)
	}
	if d := fetch(t, ch, dead); string(d.Body) != "poison" || death(t, d)["reason"] != "delivery_limit" {
		t.Errorf("%s was dropped for %v", d.Body, death(t, d))
	}
}

func TestStreamIsReadFromAnyOffsetAgainAndAgain(t *testing.T) {
	conn := dial(t, "")
	out := channel(t, conn)
	stream := durable(t, conn, blocking.Table{"x-queue-type": "stream"})
	for n := range 5 {
		publish(t, out, &blocking.Publishing{RoutingKey: stream, Body: fmt.Append(nil, n)})
	}
	for name, test := range map[string]struct {
		offset any
		first  int64
	}{
		"from the beginning":   {"first", 0},
		"from an offset":       {int64(3), 3},
		"again from an offset": {int64(1), 1},
		"from a time":          {time.Now().Add(-time.Hour), 0},
	} {
		t.Run(name, func(t *testing.T) {
			in := channel(t, conn)
			next := test.first
			consume := &blocking.Consume{Queue: stream, Prefetch: 10, Arguments: blocking.Table{"x-stream-offset": test.offset}}
			for d, err := range in.Consume(testContext(t), consume) {
				if err != nil {
					t.Fatal(err)
				}
				if at := headersOf(t, d)["x-stream-offset"]; at != next || string(d.Body) != fmt.Sprint(next) {
					t.Errorf("message %s at offset %v instead of %d", d.Body, at, next)
				}
				if err := d.Ack(); err != nil {
					t.Error(err)
				}
				if next++; next == 5 {
					break
				}
			}
		})
	}
	t.Run("only what comes from now on", func(t *testing.T) {
		in := channel(t, conn)
		sent := false
		consume := &blocking.Consume{Queue: stream, Prefetch: 1, Arguments: blocking.Table{"x-stream-offset": "last"}}
		for d, err := range in.Consume(testContext(t), consume) {
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Ack(); err != nil {
				t.Error(err)
			}
			if string(d.Body) == "new" {
				break
			}
			if !sent {
				publish(t, out, &blocking.Publishing{RoutingKey: stream, Body: []byte("new")})
				sent = true
			}
		}
	})
}
