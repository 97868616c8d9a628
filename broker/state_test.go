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
