package test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/haypile/haypile/adapters/blocking"
)

func TestDeferredPublishesInAWindowAreAllConfirmed(t *testing.T) {
	const n = 5000
	conn := dial(t, "")
	ctx := testContext(t)
	ch, err := conn.Channel(ctx, blocking.WithConfirmWindow(100))
	if err != nil {
		t.Fatal(err)
	}
	q := queue(t, ch)
	var all []*blocking.Deferred
	for i := range n {
		key := q
		if i%100 == 99 {
			key = "no such queue"
		}
		d, err := ch.PublishDeferred(ctx, &blocking.Publishing{RoutingKey: key, Mandatory: true, Body: fmt.Append(nil, i)})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
	}
	for i, d := range all {
		err := d.Wait(ctx)
		var back *blocking.UnroutableError
		switch {
		case i%100 != 99 && err != nil:
			t.Errorf("message %d: %v", i, err)
		case i%100 == 99 && (!errors.As(err, &back) || string(back.Return.Body) != fmt.Sprint(i)):
			t.Errorf("unroutable message %d: %v", i, err)
		}
	}
	next := 0
	for d, err := range ch.Consume(ctx, &blocking.Consume{Queue: q, NoAck: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if next%100 == 99 {
			next++
		}
		if string(d.Body) != fmt.Sprint(next) {
			t.Fatalf("message %s in the place of %d", d.Body, next)
		}
		if next++; next == n-1 {
			break
		}
	}
}

func refusedByAlarm(t *testing.T, n node) {
	blocked, free := make(chan struct{}, 1), make(chan struct{}, 1)
	conn := dialURL(t, nodeURL(n), blocking.WithEvents(func(e blocking.Event) {
		switch e.(type) {
		case blocking.Blocked:
			blocked <- struct{}{}
		case blocking.Unblocked:
			free <- struct{}{}
		}
	}))
	ctx := testContext(t)
	ch, err := conn.Channel(ctx, blocking.WithFailFast())
	if err != nil {
		t.Fatal(err)
	}
	n.alarm(t, true)
	eventually(t, "publisher blocked", func() bool { // RabbitMQ tells those who publish
		err := ch.Publish(ctx, &blocking.Publishing{})
		if err != nil && !errors.Is(err, blocking.ErrBackpressure) {
			t.Fatal(err)
		}
		return err != nil
	})
	<-blocked
	if err := ch.PublishConfirm(ctx, &blocking.Publishing{}); !errors.Is(err, blocking.ErrBackpressure) {
		t.Errorf("during the alarm: %v", err)
	}
	n.alarm(t, false)
	<-free
	if err := ch.PublishConfirm(ctx, &blocking.Publishing{}); err != nil {
		t.Errorf("after the alarm: %v", err)
	}
}

func TestBrokersCapabilitiesAndANewSecret(t *testing.T) {
	conn := dial(t, "")
	if p := conn.ServerProperties(); p["product"] != "RabbitMQ" {
		t.Errorf("properties %v", p)
	}
	if !conn.HasCapability("publisher_confirms") || conn.HasCapability("time_travel") {
		t.Error("wrong capabilities")
	}
	if err := conn.UpdateSecret(testContext(t), blocking.NewSecret("guest"), "for the test"); err != nil {
		t.Error(err)
	}
	channel(t, conn)
}
