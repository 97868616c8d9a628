package broker_test

import (
	"testing"

	"github.com/haypile/haypile/broker"
)

func TestStateFindsByName(t *testing.T) {
	s := broker.State{
		Connections: []broker.ConnectionState{{Name: "a -> b"}, {Name: "c -> b", ProvidedName: "worker"}},
		Exchanges:   []broker.ExchangeState{{VirtualHost: "/"}, {VirtualHost: "/", Name: "news"}},
		Queues:      []broker.QueueState{{VirtualHost: "/", Name: "jobs", Ready: 2, Unacked: 1}, {VirtualHost: "other", Name: "jobs"}},
	}
	if c := s.Connection("worker"); c == nil || c.Name != "c -> b" {
		t.Errorf("the connection named by its client: %+v", c)
	}
	if c := s.Connection(""); c != nil {
		t.Errorf("a connection without a name: %+v", c)
	}
	if x := s.Exchange("/", ""); x != &s.Exchanges[0] {
		t.Errorf("the default exchange: %+v", x)
	}
	if q := s.Queue("/", "jobs"); q == nil || q.Messages() != 3 {
		t.Errorf("the queue of the virtual host asked for: %+v", q)
	}
	if q := s.Queue("other", "none"); q != nil {
		t.Errorf("a queue that is not there: %+v", q)
	}
}

func TestAStateCanBeAskedWhereItIsTaken(t *testing.T) {
	b := broker.RunT(t)
	makeQueues(t, openChannel(t, b), "jobs")
	if b.State().Queue("/", "jobs") == nil || b.State().Exchange("/", "amq.topic") == nil {
		t.Error("the queue or the exchange is not found")
	}
	if b.State().Connection("nobody") != nil || b.State().Uptime() < 0 {
		t.Error("there is a connection of nobody, or the broker is yet to start")
	}
}
