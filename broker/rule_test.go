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

func TestARuleThatMakesNoSenseFailsTheTest(t *testing.T) {
	pass := func(*broker.Incoming) broker.Action { return broker.Pass() }
	for _, test := range []struct {
		name string
		make func(b *broker.Broker)
		want string // empty for none
	}{
		{"about a method of the broker", func(b *broker.Broker) { b.On(wire.BasicDeliverID, pass) }, "a rule about basic.deliver never acts: "},
		{"about a reply of the broker", func(b *broker.Broker) { b.Next(1, wire.QueueDeclareOkID, broker.Drop()) }, "a rule about queue.declare-ok never acts: "},
		{"about the end of a channel", func(b *broker.Broker) { b.On(wire.ChannelCloseID, pass) }, "a rule about channel.close never acts: "},
		{"about a method that does not exist", func(b *broker.Broker) { b.On(7, pass) }, "a rule about method(0,7) never acts: "},
		{"a nack of what is no message", func(b *broker.Broker) { b.Next(1, wire.QueueDeclareID, broker.Nack()) }, "a rule about queue.declare never acts: "},
		{"a close of a channel without a code", func(b *broker.Broker) { b.Next(1, 0, broker.CloseChannel(0, "")) }, "a rule closes with the code 0"},
		{"a close of a connection without a code", func(b *broker.Broker) { b.Next(1, 0, broker.CloseConnection(0, "why")) }, "a rule closes with the code 0"},
		{"about every method", func(b *broker.Broker) { b.On(0, pass); b.Next(1, 0, broker.Nack()) }, ""},
		{"about connection.open", func(b *broker.Broker) { b.On(wire.ConnectionOpenID, pass) }, ""},
		{"about a reply of the client", func(b *broker.Broker) { b.On(wire.ChannelFlowOkID, pass) }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			fake := &fakeT{TB: t, errors: make(chan string, 10)}
			test.make(broker.RunT(fake))
			fake.end()
			fake.errors <- "nothing"
			got := <-fake.errors
			if want := "amqp: broker: " + test.want; test.want != "" && !strings.HasPrefix(got, want) || test.want == "" && got != "nothing" {
				t.Errorf("the test is told %s", got)
			}
		})
	}
}

func TestADecisionThatCannotBeFailsTheTest(t *testing.T) {
	fake := &fakeT{TB: t, errors: make(chan string, 10)}
	b := broker.RunT(fake)
	ch := openChannel(t, b)
	b.On(wire.QueuePurgeID, func(*broker.Incoming) broker.Action { return broker.CloseChannel(0, "") })
	if _, err := ch.QueuePurge(testContext(t), &blocking.QueuePurge{Queue: "q"}); err == nil {
		t.Error("it was purged")
	}
	if got := <-fake.errors; !strings.HasPrefix(got, "amqp: broker: a rule closes with the code 0") {
		t.Errorf("the test is told %q", got)
	}
	fake.end()
}
