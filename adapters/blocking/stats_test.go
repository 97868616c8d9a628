package blocking_test

import (
	"errors"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/internal/fakebroker"
	"github.com/haypile/haypile/core/wire"
)

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(bound); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", bound, what)
		}
	}
}

// judge confirms messages as their routing keys say, and delivers four messages to
// each consumer.
func judge() answer {
	tag := uint64(0)
	return func(s *fakebroker.Session, m wire.Method, n uint16, body []byte) {
		switch m := m.(type) {
		case *wire.BasicPublish:
			tag++
			switch m.RoutingKey {
			case "ack":
				s.Send(n, &wire.BasicAck{DeliveryTag: tag})
			case "nack":
				s.Send(n, &wire.BasicNack{DeliveryTag: tag})
			case "return":
				s.Send(n, &wire.BasicReturn{ReplyCode: 312, ReplyText: "NO_ROUTE", RoutingKey: m.RoutingKey}, string(body), &wire.BasicAck{DeliveryTag: tag})
			}
		case *wire.BasicConsume:
			s.Send(n, &wire.BasicConsumeOk{ConsumerTag: "tag"})
			for i := range uint64(4) {
				s.Send(n, &wire.BasicDeliver{ConsumerTag: "tag", DeliveryTag: i + 1}, "body")
			}
		}
	}
}

func TestStatsTellWhatWasDoneAndWhatIsHeld(t *testing.T) {
	j := judge()
	r := connectRestarting(t, func(int) answer { return j })
	ctx := testContext(t)
	for key, want := range map[string]error{"ack": nil, "nack": blocking.ErrNacked, "return": blocking.ErrUnroutable} {
		err := r.ch.PublishConfirm(ctx, &blocking.Publishing{RoutingKey: key, Mandatory: true, Body: []byte("body")})
		if !errors.Is(err, want) {
			t.Errorf("%s: %v", key, err)
		}
	}
	if err := r.ch.Publish(ctx, &blocking.Publishing{RoutingKey: "never", Body: []byte("body")}); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for d, err := range r.ch.Consume(ctx, &blocking.Consume{Queue: "q"}) {
		if err != nil {
			t.Fatal(err)
		}
		switch seen++; seen {
		case 1:
			d.Ack()
			eventually(t, "three wait for the loop", func() bool { return r.conn.Stats().Inbox == 3 })
		case 2:
			d.Nack(true)
			eventually(t, "two settled", func() bool { s := r.conn.Stats(); return s.Acked == 1 && s.Refused == 1 })
			s := r.conn.Stats()
			if s.Published != 4 || s.Confirmed != 2 || s.Nacked != 1 || s.Returned != 1 || s.Unconfirmed != 1 {
				t.Errorf("publishing: %+v", s)
			}
			if s.Delivered != 4 || s.Unsettled != 2 || s.Inbox != 2 || s.Consumers != 1 || s.Channels != 1 {
				t.Errorf("consuming: %+v", s)
			}
			if s.BytesSent < 100 || s.BytesReceived < 100 || s.FramesSent < 20 || s.FramesReceived < 20 {
				t.Errorf("traffic: %+v", s.Traffic)
			}
		}
		if seen == 2 {
			break
		}
	}
	eventually(t, "the consumer is gone and its messages refused", func() bool {
		s := r.conn.Stats()
		return s.Consumers == 0 && s.Inbox == 0 && s.Unsettled == 0 && s.Refused == 3
	})
}

func TestStatsGoOnOverARecovery(t *testing.T) {
	j := judge()
	r := connectRestarting(t, func(int) answer { return j })
	ctx := testContext(t)
	if err := r.ch.PublishConfirm(ctx, &blocking.Publishing{RoutingKey: "ack"}); err != nil {
		t.Fatal(err)
	}
	if err := r.ch.Publish(ctx, &blocking.Publishing{RoutingKey: "never"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both sent", func() bool { return r.conn.Stats().Published == 2 })
	before := r.conn.Stats()
	r.cut <- struct{}{}
	await[blocking.Recovered](t, r)
	eventually(t, "the recovery counted", func() bool { return r.conn.Stats().Recoveries == 1 })
	after := r.conn.Stats()
	if after.Published != 2 || after.Unconfirmed != 0 || after.Lost || after.Channels != 1 {
		t.Errorf("after the recovery: %+v", after)
	}
	if after.BytesSent <= before.BytesSent || after.FramesReceived <= before.FramesReceived {
		t.Errorf("traffic was %+v, is %+v", before.Traffic, after.Traffic)
	}
	if err := r.conn.Close(ctx); err != nil {
		t.Error(err)
	}
	if s := r.conn.Stats(); s.Published != 2 || s.Channels != 0 || s.Unconfirmed != 0 {
		t.Errorf("after the end: %+v", s)
	}
}
