package test

import (
	"flag"
	"fmt"
	"testing"

	"github.com/haypile/haypile/test/rabbitmq"
)

// against is the broker that the tests run against. The test command runs them
// against both.
var against = flag.String("broker", "rabbitmq", "what the tests run against: rabbitmq, or embedded, which is package broker")

func onEmbedded() bool { return *against == "embedded" }

// reachable is a broker of which the address is known, with TLS and without.
type reachable interface {
	URL() string
	TLSURL() string
}

// node is a broker that a test steers.
type node interface {
	reachable
	// alarm has it run low on memory, or have enough again.
	alarm(t *testing.T, on bool)
	// closeConnections closes all of them, as an operator does.
	closeConnections(t *testing.T, reason string)
	// lateAcks has deliveries time out soon after they were made. pass is called
	// when one has been made, and restore in the end.
	lateAcks(t *testing.T) (pass, restore func())
	// kill ends it with all its connections, in no good order.
	kill(t *testing.T)
	// flush has what was declared outlast a restart.
	flush(t *testing.T)
	// restart ends it and starts it with its data.
	restart(t *testing.T)
}

// startNode starts a broker for the test, which has TLS, too. Lines of
// configuration are for RabbitMQ alone.
func startNode(t *testing.T, config ...string) node {
	t.Helper()
	if onEmbedded() {
		return startEmbedded(t)
	}
	return rabbit{rabbitmq.Start(t, rabbitmq.WithTLS(), rabbitmq.WithConfig(config...))}
}

// nodeURL is the node's, with TLS when the run has it.
func nodeURL(n reachable) string {
	if *secure {
		return n.TLSURL()
	}
	return n.URL()
}

// plainURL is the shared broker's, without TLS in every run.
func plainURL(t *testing.T) string {
	t.Helper()
	if onEmbedded() {
		return sharedEmbedded(t).URL()
	}
	return rabbitmq.URL(t)
}

// secureURL is the shared broker's, with TLS in every run.
func secureURL(t *testing.T) string {
	t.Helper()
	if onEmbedded() {
		return sharedEmbedded(t).TLSURL()
	}
	return rabbitmq.TLSURL(t)
}

// rabbit is a RabbitMQ, which Erlang and rabbitmqctl steer.
type rabbit struct{ *rabbitmq.Node }

func eval(t *testing.T, n *rabbitmq.Node, code string) {
	t.Helper()
	if _, err := n.Eval(testContext(t), code); err != nil {
		t.Fatal(err)
	}
}

func (r rabbit) alarm(t *testing.T, on bool) {
	t.Helper()
	if err := r.MemoryAlarm(testContext(t), on); err != nil {
		t.Fatal(err)
	}
}

func (r rabbit) closeConnections(t *testing.T, reason string) {
	t.Helper()
	// rabbitmqctl would list connections by events, which may be on their way.
	// Of those that it lists here, one may just be ending by itself.
	eval(t, r.Node, fmt.Sprintf("pg_local:sync(), [catch rabbit_networking:close_connection(C, <<%q>>) || C <- rabbit_networking:connections()], ok.", reason))
}

func (r rabbit) lateAcks(t *testing.T) (pass, restore func()) {
	t.Helper()
	set := func(timeout int) {
		eval(t, r.Node, fmt.Sprintf("application:set_env(rabbit, consumer_timeout, %d), application:set_env(rabbit, channel_tick_interval, 200).", timeout))
	}
	set(300)
	return func() {}, func() { set(1800000) }
}

func (r rabbit) kill(t *testing.T) {
	t.Helper()
	if err := r.Kill(); err != nil {
		t.Fatal(err)
	}
}

// flush: what was declared a moment ago is in memory only.
func (r rabbit) flush(t *testing.T) {
	t.Helper()
	eval(t, r.Node, "mnesia:dump_log().")
}

// restart kills as kill -9 does.
func (r rabbit) restart(t *testing.T) {
	t.Helper()
	r.kill(t)
	if err := r.Restart(); err != nil {
		t.Fatal(err)
	}
}
