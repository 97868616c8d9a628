package broker_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/broker"
	"github.com/haypile/haypile/core/wire"
)

// ends publishes to a broker whose rule goes wrong, and wants the connection cut and
// everything to end.
func ends(t *testing.T, b *broker.Broker, fn func(*broker.Incoming) broker.Action) {
	t.Helper()
	ch := openChannel(t, b)
	remove := b.On(wire.BasicPublishID, fn)
	defer remove()
	if err := ch.PublishConfirm(testContext(t), &blocking.Publishing{RoutingKey: "q"}); err == nil {
		t.Error("the message was confirmed")
	}
	if err := b.WaitConnections(testContext(t), 0); err != nil {
		t.Error(err)
	}
}

func TestARuleMayEndTheTestAndItsConnectionIsCut(t *testing.T) {
	checkLeaks(t)
	fake := &fakeT{TB: t, errors: make(chan string, 10)}
	b := broker.RunT(fake)
	ends(t, b, func(*broker.Incoming) broker.Action {
		runtime.Goexit() // as t.Fatal does
		return broker.Pass()
	})
	makeQueues(t, openChannel(t, b), "others go on")
	fake.end()
	if len(fake.errors) > 0 {
		t.Errorf("the test is told %q, which ended itself", <-fake.errors)
	}
}

func TestARuleThatPanicsFailsTheTestAndItsConnectionIsCut(t *testing.T) {
	checkLeaks(t)
	fake := &fakeT{TB: t, errors: make(chan string, 10)}
	b := broker.RunT(fake)
	ends(t, b, func(*broker.Incoming) broker.Action { panic("out of ideas") })
	got := <-fake.errors
	for _, want := range []string{"amqp: broker: a rule panicked at basic.publish: out of ideas\n", "rule_test.go"} {
		if !strings.Contains(got, want) {
			t.Errorf("the test is told %q, without %q", got, want)
		}
	}
	fake.end()
}
