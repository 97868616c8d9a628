package rabbitmq

import (
	"context"
	"testing"

	"github.com/haypile/haypile/adapters/blocking"
)

// A connection that publishes before it knows of the alarm is not told until it
// publishes again, so one publish must do, however slowly the node tells.
func TestMemoryAlarmIsKnownOnceRaised(t *testing.T) {
	n := Start(t)
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	told := make(chan blocking.Event, 10)
	conn, err := blocking.Dial(ctx, n.URL(), blocking.WithEvents(func(e blocking.Event) { told <- e }))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	ch, err := conn.Channel(ctx)
	if err != nil {
		t.Fatal(err)
	}
	slow := "sys:suspend(rabbit_alarm), spawn(fun() -> timer:sleep(1000), sys:resume(rabbit_alarm) end)."
	if _, err := n.Eval(ctx, slow); err != nil {
		t.Fatal(err)
	}
	for _, on := range []bool{true, false} {
		if err := n.MemoryAlarm(ctx, on); err != nil {
			t.Fatal(err)
		}
		if on {
			if err := ch.Publish(ctx, &blocking.Publishing{RoutingKey: "nowhere"}); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case e := <-told:
			if _, blocked := e.(blocking.Blocked); blocked != on {
				t.Errorf("told %#v, and the alarm is %v", e, on)
			}
		case <-ctx.Done():
			t.Fatalf("not told that the alarm is %v", on)
		}
	}
}
