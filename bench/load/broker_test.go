package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/haypile/haypile/broker"
	"github.com/haypile/haypile/broker/wirefault"
	"github.com/haypile/haypile/core/wire"
)

func wantNoQueue(t *testing.T, b *broker.Broker) {
	t.Helper()
	if q := b.State().Queues; len(q) > 0 {
		t.Errorf("it has %v", q)
	}
}

func TestABrokerIsLeftWithoutTheQueue(t *testing.T) {
	b := broker.RunT(t)
	for _, peer := range []string{"-peer floor", "-peer amqp091", "-api blocking", "-api callback"} {
		for _, mode := range []string{"publish-confirm", "consume-auto", "consume-props", "consume-ack", "pingpong"} {
			t.Run(strings.ReplaceAll(peer+" "+mode, "-", ""), func(t *testing.T) {
				if _, err := run(t, peer+" -n 200 -mode "+mode+" -url "+b.URL()); err != nil {
					t.Error(err)
				}
				wantNoQueue(t, b)
			})
		}
	}
}

func TestABrokerIsLeftWithoutTheQueueOfAMeasurementThatFailed(t *testing.T) {
	b := broker.RunT(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := whole(ctx, parse(strings.Fields("-mode rpc -n 10000000 -url "+b.URL()))); err == nil {
		t.Error("it was done")
	}
	wantNoQueue(t, b)
}

func TestABrokerIsLeftWithoutTheQueueOfAFillThatWasInterrupted(t *testing.T) {
	b := broker.RunT(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	published := 0
	b.On(wire.BasicPublishID, func(*broker.Incoming) broker.Action {
		if published++; published == 1000 {
			cancel()
		}
		return broker.Pass()
	})
	if _, err := whole(ctx, parse(strings.Fields("-mode consume-auto -n 10000000 -url "+b.URL()))); err == nil {
		t.Error("it was done")
	}
	wantNoQueue(t, b)
}

func TestABrokerIsLeftWithoutTheQueueWhoseDeclarationWasGivenUp(t *testing.T) {
	b := broker.RunT(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	wires := func(do func(*wirefault.Conn, wirefault.Direction)) {
		for _, c := range b.Wire().Conns() {
			do(c, wirefault.Out)
		}
	}
	b.On(wire.QueueDeclareID, func(*broker.Incoming) broker.Action {
		wires((*wirefault.Conn).Stall) // with the answer
		cancel()
		return broker.Pass()
	})
	b.On(wire.QueueDeleteID, func(*broker.Incoming) broker.Action {
		wires((*wirefault.Conn).Resume)
		return broker.Pass()
	})
	if _, err := whole(ctx, parse(strings.Fields("-mode rpc -n 10000000 -url "+b.URL()))); err == nil {
		t.Error("it was done")
	}
	wantNoQueue(t, b)
}

func TestABrokerIsLeftWithoutTheQueueOfAFillThatFailed(t *testing.T) {
	b := broker.RunT(t)
	b.On(wire.BasicPublishID, func(*broker.Incoming) broker.Action {
		return broker.CloseChannel(wire.AccessRefused, "ACCESS_REFUSED - not for you")
	})
	if _, err := run(t, "-mode consume-auto -n 10 -url "+b.URL()); err == nil {
		t.Error("it was done")
	}
	wantNoQueue(t, b)
}

func TestABodyThatIsNotThatOfItsMessageIsAnError(t *testing.T) {
	b := broker.RunT(t)
	for _, mode := range []string{"consume-auto", "consume-props", "consume-ack", "consume-multi", "pingpong"} {
		for _, peer := range []string{"-peer floor", "-peer amqp091", "-api blocking", "-api callback"} {
			t.Run(strings.ReplaceAll(peer+" "+mode, "-", ""), func(t *testing.T) {
				remove := spoil(b)
				defer remove()
				if _, err := run(t, peer+" -n 200 -mode "+mode+" -url "+b.URL()); err == nil {
					t.Error("it was taken")
				}
			})
		}
	}
}

// spoil changes a byte of a message that is looked at.
func spoil(b *broker.Broker) (remove func()) {
	published := 0
	return b.On(wire.BasicPublishID, func(in *broker.Incoming) broker.Action {
		if published++; published == 98 {
			in.Message.Body[len(in.Message.Body)-1]++
		}
		return broker.Pass()
	})
}

func TestABrokerThatIsNotThereIsAnError(t *testing.T) {
	if _, err := run(t, "-url amqp://127.0.0.1:1"); err == nil {
		t.Error("it was measured")
	}
}
