package broker_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/broker"
	"github.com/haypile/haypile/core/wire"
)

// confirms are the confirms that the broker sent, in order.
func confirms(b *broker.Broker) (tags []uint64, multiple bool) {
	for _, e := range b.Journal() {
		switch m := e.Decode().(type) {
		case *wire.BasicAck:
			if e.Sent {
				tags, multiple = append(tags, m.DeliveryTag), multiple || m.Multiple
			}
		case *wire.BasicNack:
			tags = append(tags, m.DeliveryTag)
		}
	}
	return tags, multiple
}

// threeHeld publishes three messages of which the second is nacked, and holds the
// confirms.
func threeHeld(t *testing.T) (*broker.Broker, *broker.HeldConfirms, []*blocking.Deferred) {
	t.Helper()
	b := broker.RunT(t)
	ch, ctx := openChannel(t, b), testContext(t)
	makeQueues(t, ch, "q")
	h := b.HoldConfirms()
	var sent []*blocking.Deferred
	b.On(wire.BasicPublishID, func(in *broker.Incoming) broker.Action {
		if in.Message.Seq == 2 {
			return broker.Nack()
		}
		return broker.Pass()
	})
	for range 3 {
		d, err := ch.PublishDeferred(ctx, &blocking.Publishing{RoutingKey: "q"})
		if err != nil {
			t.Fatal(err)
		}
		sent = append(sent, d)
	}
	if err := h.Wait(ctx, 3); err != nil {
		t.Fatal(err)
	}
	for i, d := range sent {
		select {
		case <-d.Done():
			t.Errorf("message %d is settled: %v", i+1, d.Err())
		default:
		}
	}
	return b, h, sent
}

func TestHeldConfirmsLeaveAsTheTestWants(t *testing.T) {
	for name, test := range map[string]struct {
		release  func(h *broker.HeldConfirms)
		tags     []uint64
		multiple bool
	}{
		"as ever":   {(*broker.HeldConfirms).Release, []uint64{1, 2, 3}, false},
		"backwards": {(*broker.HeldConfirms).ReleaseReversed, []uint64{3, 2, 1}, false},
		"as one":    {(*broker.HeldConfirms).ReleaseAsOne, []uint64{2, 3}, true},
	} {
		t.Run(name, func(t *testing.T) {
			b, h, sent := threeHeld(t)
			test.release(h)
			for i, d := range sent {
				err := d.Wait(testContext(t))
				if nacked := errors.Is(err, blocking.ErrNacked); nacked != (i == 1) || err != nil && !nacked {
					t.Errorf("message %d: %v", i+1, err)
				}
			}
			if tags, multiple := confirms(b); !slices.Equal(tags, test.tags) || multiple != test.multiple {
				t.Errorf("the confirms were %v, multiple: %t", tags, multiple)
			}
			if h.Len() != 0 {
				t.Errorf("%d are still held", h.Len())
			}
		})
	}
}

func TestDiscardedConfirmsNeverCome(t *testing.T) {
	b, h, sent := threeHeld(t)
	h.Discard()
	ch := openChannel(t, b)
	mustPublish(t, ch, "q", "another")
	select {
	case <-sent[0].Done():
		t.Error("the first message is settled")
	default:
	}
}
