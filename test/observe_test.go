package test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/haypile/haypile/adapters/blocking"
)

func TestTopologyIsDeclaredAndRefusedWithTheDifference(t *testing.T) {
	conn := dial(t, "")
	ctx := testContext(t)
	topology := &blocking.Topology{
		Exchanges: []blocking.ExchangeDeclare{
			{Exchange: "topology.events", Type: "topic", AutoDelete: true},
			{Exchange: "topology.audit", Type: "fanout", AutoDelete: true},
		},
		Queues: []blocking.QueueDeclare{
			{Queue: "topology.all", Exclusive: true, Arguments: blocking.Table{"x-max-length": 10}},
			{Queue: "topology.new", Exclusive: true},
		},
		ExchangeBindings: []blocking.ExchangeBind{{Destination: "topology.audit", Source: "topology.events", RoutingKey: "#"}},
		QueueBindings: []blocking.QueueBind{
			{Queue: "topology.all", Exchange: "topology.audit"},
			{Queue: "topology.new", Exchange: "topology.events", RoutingKey: "new.*"},
		},
	}
	for range 2 {
		if err := conn.Declare(ctx, topology); err != nil {
			t.Fatal(err)
		}
	}
	ch := channel(t, conn)
	for _, key := range []string{"new.a", "old.b"} {
		if err := ch.PublishConfirm(ctx, &blocking.Publishing{Exchange: "topology.events", RoutingKey: key, Mandatory: true}); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
	for name, want := range map[string]uint32{"topology.all": 2, "topology.new": 1} {
		q, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: name, Passive: true})
		if err != nil || q.MessageCount != want {
			t.Errorf("%s has %+v, %v", name, q, err)
		}
	}
	for what, change := range map[string]func(*blocking.Topology){
		`amqp: queue "topology.all" exists with another x-max-length: declared with 11, there with 10`: func(c *blocking.Topology) {
			c.Queues = []blocking.QueueDeclare{{Queue: "topology.all", Exclusive: true, Arguments: blocking.Table{"x-max-length": 11}}}
		},
		`amqp: queue "topology.all" exists with another x-max-length: declared with none, there with 10 (signedint)`: func(c *blocking.Topology) {
			c.Queues = []blocking.QueueDeclare{{Queue: "topology.all", Exclusive: true}}
		},
		`amqp: queue "topology.new" exists with another auto_delete: declared with true, there with false`: func(c *blocking.Topology) {
			c.Queues = []blocking.QueueDeclare{{Queue: "topology.new", Exclusive: true, AutoDelete: true}}
		},
		`amqp: exchange "topology.audit" exists with another type: declared with direct, there with fanout`: func(c *blocking.Topology) {
			c.Exchanges = []blocking.ExchangeDeclare{{Exchange: "topology.audit", Type: "direct", AutoDelete: true}}
		},
	} {
		changed := *topology
		change(&changed)
		err := conn.Declare(ctx, &changed)
		if err == nil || err.Error() != what || !errors.Is(err, blocking.PreconditionFailed) {
			t.Errorf("got  %v\nwant %s", err, what)
		}
	}
	missing := &blocking.Topology{QueueBindings: []blocking.QueueBind{{Queue: "topology.new", Exchange: "topology.none"}}}
	err := conn.Declare(ctx, missing)
	want(t, err, `binding of "topology.new" to "topology.none"`, "NOT_FOUND")
	if conn.Err() != nil {
		t.Errorf("the connection ended: %v", conn.Err())
	}
}

// Hundreds of goroutines publish through a pool while one consumes, and the
// statistics add up.
func TestPoolAndStatisticsAddUp(t *testing.T) {
	const goroutines, each = 300, 20
	checkLeaks(t)
	ctx := testContext(t)
	var log strings.Builder
	p, err := blocking.DialPool(ctx, brokerURL(t), blocking.PoolSize{Connections: 2},
		blocking.WithLoop(newLoop(t)), blocking.WithParams(patient), blocking.WithName("pool"), blocking.WithLogger(slog.New(slog.NewTextHandler(&locked{w: &log}, nil))))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close(ctx) })
	conn, err := p.Consumers(ctx)
	if err != nil {
		t.Fatal(err)
	}
	in := channel(t, conn)
	q := queue(t, in)
	var wg sync.WaitGroup
	for i := range goroutines {
		wg.Go(func() {
			for n := range each {
				m := &blocking.Publishing{RoutingKey: q, Mandatory: true, Body: fmt.Appendf(nil, "%d:%d", i, n)}
				if err := p.PublishConfirm(ctx, m); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	next, n := make([]int, goroutines), 0
	for d, err := range in.Consume(ctx, &blocking.Consume{Queue: q}) {
		if err != nil {
			t.Fatal(err)
		}
		var who, number int
		fmt.Sscanf(string(d.Body), "%d:%d", &who, &number)
		if number != next[who] {
			t.Errorf("message %d of publisher %d came as number %d", number, who, next[who])
		}
		next[who]++
		if err := d.Ack(); err != nil {
			t.Error(err)
		}
		if n++; n == goroutines*each {
			break
		}
	}
	wg.Wait()
	const total = goroutines * each
	eventually(t, "the statistics add up", func() bool {
		s := p.Stats()
		return s.Published == total && s.Confirmed == total && s.Delivered == total && s.Acked == total &&
			s.Unconfirmed == 0 && s.Unsettled == 0 && s.Inbox == 0 && s.Consumers == 0 && s.Channels == 9
	})
	if s := conn.Stats(); s.Published != 0 {
		t.Errorf("the consumers' connection published: %+v", s)
	}
	if err := p.Close(ctx); err != nil {
		t.Error(err)
	}
	if s := p.Stats(); s.Channels != 0 || s.BytesSent < total*10 {
		t.Errorf("after the end: %+v", s)
	}
}

// locked is a writer for several goroutines.
type locked struct {
	mu sync.Mutex
	w  *strings.Builder
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
