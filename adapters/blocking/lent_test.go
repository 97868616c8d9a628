package blocking_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/internal/fakebroker"
	"github.com/haypile/haypile/core/wire"
)

var lent = blocking.Consume{Queue: "q", ReuseBodies: true}

func TestLentBodiesAreThoseOfTheirMessages(t *testing.T) {
	const n = 300
	_, ch := connect(t, deliveries(n, make(chan string, 2*n)))
	var all []*blocking.Delivery
	for d, err := range ch.Consume(testContext(t), &lent) {
		if err != nil {
			t.Fatal(err)
		}
		if all = append(all, d); string(d.Body) != fmt.Sprint("message ", len(all)) {
			t.Fatalf("message %d has the body %q", len(all), d.Body)
		}
		if len(all) == n {
			break
		}
	}
	for _, d := range all {
		if d.Body != nil {
			t.Errorf("message %d still has a body: %q", d.DeliveryTag, d.Body)
		}
		if err := d.Ack(); err != nil {
			t.Errorf("a late ack of message %d: %v", d.DeliveryTag, err)
		}
	}
}

func TestWorkersHaveTheirBodiesUntilTheyReturn(t *testing.T) {
	const n = 60
	var mu sync.Mutex
	var got []string
	settled, err := handleAll(t, n, &blocking.Handle{
		Consume: lent, Workers: 4,
		Key: func(d *blocking.Delivery) string { return string(d.Body[len(d.Body)-1:]) },
	}, func(_ context.Context, d *blocking.Delivery) error {
		first := string(d.Body)
		mu.Lock()
		defer mu.Unlock()
		if got = append(got, string(d.Body)); first != fmt.Sprint("message ", d.DeliveryTag) || first != got[len(got)-1] {
			t.Errorf("the body of message %d was %q, then %q", d.DeliveryTag, first, d.Body)
		}
		return nil
	})
	slices.Sort(got)
	if len(slices.Compact(got)) != n || len(settled) != n || !errors.Is(err, context.Canceled) {
		t.Errorf("worked on %v, then %v", got, err)
	}
}

func TestWhoIsToldOfAFailureHasTheBody(t *testing.T) {
	events := make(chan blocking.Event, 10)
	_, _ = handleAll(t, 30, &blocking.Handle{Consume: lent}, func(_ context.Context, d *blocking.Delivery) error {
		switch d.DeliveryTag {
		case 2:
			return errors.New("failed")
		case 3:
			panic("oops")
		}
		return nil
	}, blocking.WithEvents(func(e blocking.Event) { events <- e }))
	for _, want := range []string{"message 2", "message 3"} {
		if e := (<-events).(blocking.HandlerFailed); string(e.Delivery.Body) != want {
			t.Errorf("told of %q, want %q", e.Delivery.Body, want)
		}
	}
}

func TestAServerMayReplyWithTheBodyOfTheRequest(t *testing.T) {
	const n = 20
	replies := make(chan string, n)
	_, ch := connect(t, func(s *fakebroker.Session, m wire.Method, channel uint16, body []byte) {
		switch m.(type) {
		case *wire.BasicConsume:
			items := []any{&wire.BasicConsumeOk{ConsumerTag: "c"}}
			for i := range n {
				items = append(items, &wire.BasicDeliver{ConsumerTag: "c", DeliveryTag: uint64(i + 1)},
					fakebroker.Content{Properties: wire.Properties{ReplyTo: "caller"}, Body: fmt.Sprint(i)})
			}
			s.Send(channel, items...)
		case *wire.BasicPublish:
			replies <- string(body)
		default:
			obey(s, m, channel)
		}
	})
	ctx, cancel := context.WithCancel(testContext(t))
	ended := make(chan error, 1)
	go func() {
		ended <- ch.Serve(ctx, &blocking.Handle{Consume: lent}, func(_ context.Context, d *blocking.Delivery) (*blocking.Publishing, error) {
			return &blocking.Publishing{Body: d.Body}, nil
		})
	}()
	for i := range n {
		if got := <-replies; got != fmt.Sprint(i) {
			t.Errorf("reply %d is %q", i, got)
		}
	}
	cancel()
	<-ended
}

func TestLentBodiesAreRightAfterALoss(t *testing.T) {
	r := connectRestarting(t, func(n int) answer {
		return func(s *fakebroker.Session, m wire.Method, ch uint16, _ []byte) {
			if m.ID() != wire.BasicConsumeID {
				return
			}
			items := []any{&wire.BasicConsumeOk{ConsumerTag: "c"}}
			for i := range 20 {
				items = append(items, &wire.BasicDeliver{ConsumerTag: "c", DeliveryTag: uint64(i + 1)}, strings.Repeat(fmt.Sprint(n), 100*i+1))
			}
			s.Send(ch, items...)
		}
	})
	seen := 0
	for d, err := range r.ch.Consume(testContext(t), &lent) {
		if err != nil {
			t.Fatal(err)
		}
		connection := seen / 10
		before := bytes.Clone(d.Body)
		if seen++; seen%10 == 0 && connection < 3 {
			r.lose(t)
		}
		want := bytes.Repeat([]byte(fmt.Sprint(connection)), 100*int(d.DeliveryTag-1)+1)
		if !bytes.Equal(before, want) || !bytes.Equal(d.Body, want) {
			t.Fatalf("message %d of connection %d has %.10q… of %d bytes, then %.10q…", d.DeliveryTag, connection, before, len(before), d.Body)
		}
		if connection == 3 {
			break
		}
	}
}
