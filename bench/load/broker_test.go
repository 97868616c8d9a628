package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/haypile/haypile/broker"
)

func TestABrokerIsLeftWithoutTheQueue(t *testing.T) {
	b := broker.RunT(t)
	for _, peer := range []string{"-peer floor", "-peer amqp091", "-api blocking", "-api callback"} {
		for _, mode := range []string{"publish-confirm", "consume-auto", "consume-props", "consume-ack", "pingpong"} {
			t.Run(strings.ReplaceAll(peer+" "+mode, "-", ""), func(t *testing.T) {
				if _, err := run(t, peer+" -n 200 -mode "+mode+" -url "+b.URL()); err != nil {
					t.Error(err)
				}
				if q := b.State().Queues; len(q) > 0 {
					t.Errorf("it has %v", q)
				}
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
	if q := b.State().Queues; len(q) > 0 {
		t.Errorf("it has %v", q)
	}
}

func TestABrokerThatIsNotThereIsAnError(t *testing.T) {
	if _, err := run(t, "-url amqp://127.0.0.1:1"); err == nil {
		t.Error("it was measured")
	}
}
