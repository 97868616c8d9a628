package broker_test

import (
	"testing"

	"github.com/haypile/haypile/adapters/blocking"
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

func TestAnExchangeThatComesAgainCountsAnew(t *testing.T) {
	b := start(t)
	ch, ctx := openChannel(t, b), timeout(t)
	for _, end := range []struct {
		name string
		do   func() error
	}{
		{"unbinding", func() error {
			return ch.QueueUnbind(ctx, &blocking.QueueUnbind{Queue: "q", Exchange: "passing"})
		}},
		{"deleting the queue", func() error {
			_, err := ch.QueueDelete(ctx, &blocking.QueueDelete{Queue: "q"})
			return err
		}},
		{"deleting it", func() error { return ch.ExchangeDelete(ctx, &blocking.ExchangeDelete{Exchange: "passing"}) }},
	} {
		makeQueues(t, ch, "q")
		if err := ch.ExchangeDeclare(ctx, &blocking.ExchangeDeclare{Exchange: "passing", Type: "fanout", AutoDelete: true}); err != nil {
			t.Fatal(err)
		}
		s := b.State()
		if x := s.Exchange("/", "passing"); x.In != 0 || x.Out != 0 {
			t.Errorf("before %s: %d in and %d out before the first", end.name, x.In, x.Out)
		}
		if err := ch.QueueBind(ctx, &blocking.QueueBind{Queue: "q", Exchange: "passing"}); err != nil {
			t.Fatal(err)
		}
		if err := ch.PublishConfirm(ctx, &blocking.Publishing{Exchange: "passing"}); err != nil {
			t.Fatal(err)
		}
		if err := end.do(); err != nil {
			t.Fatal(err)
		}
	}
}
