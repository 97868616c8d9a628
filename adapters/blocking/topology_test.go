package blocking_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/internal/fakebroker"
	"github.com/haypile/haypile/core/wire"
)

func orders() *blocking.Topology {
	return &blocking.Topology{
		Exchanges:        []blocking.ExchangeDeclare{{Exchange: "orders", Type: "topic", Durable: true}, {Exchange: "audit", Type: "fanout"}},
		Queues:           []blocking.QueueDeclare{{Queue: "new", Durable: true}, {Queue: "all"}},
		ExchangeBindings: []blocking.ExchangeBind{{Destination: "audit", Source: "orders", RoutingKey: "#"}},
		QueueBindings:    []blocking.QueueBind{{Queue: "new", Exchange: "orders", RoutingKey: "new.*"}, {Queue: "all", Exchange: "audit"}},
	}
}

// declared is a broker that takes down what it is asked, and refuses one name.
func declared(log *diary, refuse, text string) answer {
	return func(s *fakebroker.Session, m wire.Method, n uint16, body []byte) {
		log.add("%s", describe(m, body))
		switch m := m.(type) {
		case *wire.QueueDeclare:
			if m.Queue == refuse {
				s.Send(n, &wire.ChannelClose{ReplyCode: wire.PreconditionFailed, ReplyText: text})
				return
			}
			s.Send(n, &wire.QueueDeclareOk{Queue: m.Queue})
		case *wire.ExchangeBind:
			s.Send(n, &wire.ExchangeBindOk{})
		default:
			obey(s, m, n)
		}
	}
}

func TestTopologyIsDeclaredInOrderAndAgain(t *testing.T) {
	var log diary
	conn, _ := connect(t, declared(&log, "", ""))
	for range 2 {
		if err := conn.Declare(testContext(t), orders()); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"exchange.declare orders", "exchange.declare audit", `queue.declare "new"`, `queue.declare "all"`,
		"exchange.bind", "queue.bind new to orders by new.*", "queue.bind all to audit by ",
	}
	log.mu.Lock()
	defer log.mu.Unlock()
	if !slices.Equal(log.lines, append(want, want...)) {
		t.Errorf("the broker got\n%s", strings.Join(log.lines, "\n"))
	}
	eventually(t, "the end of the channels that were used", func() bool { return conn.Stats().Channels == 1 })
}

func TestRefusedTopologyTellsWhatDiffers(t *testing.T) {
	for text, want := range map[string]string{
		"PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'all' in vhost '/': received 'false' but current is 'true'": `amqp: queue "all" exists with another durable: declared with false, there with true`,
		"PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'all' in vhost '/': received none but current is the value '10' of type 'signedint'": `amqp: queue "all" exists with another x-message-ttl: ` +
			"declared with none, there with 10 (signedint)",
		"PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'all' in vho":        `amqp: queue "all" was refused: 127.0.0.1:`,
		"PRECONDITION_FAILED - invalid arg 'x-max-length' for queue 'all' in vhost '/':": `amqp: queue "all" was refused: 127.0.0.1:`,
	} {
		var log diary
		conn, _ := connect(t, declared(&log, "all", text))
		err := conn.Declare(testContext(t), orders())
		var refused *blocking.DeclareError
		if !errors.As(err, &refused) || !errors.Is(err, blocking.PreconditionFailed) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("of %q came %v", text, err)
		}
		if conn.Err() != nil {
			t.Errorf("the connection ended: %v", conn.Err())
		}
	}
}

func TestTopologyThatCannotBeMeantIsNotSent(t *testing.T) {
	var log diary
	conn, _ := connect(t, declared(&log, "", ""))
	for field, topology := range map[string]*blocking.Topology{
		"topology":                  nil,
		"Topology.Queues[1]":        {Queues: []blocking.QueueDeclare{{Queue: "q"}, {}}},
		"Topology.QueueBindings[0]": {QueueBindings: []blocking.QueueBind{{Exchange: "e"}}},
		"Topology.Exchanges[0]":     {Exchanges: []blocking.ExchangeDeclare{{Type: "fanout"}}},
		"Topology.Queues[0].NoWait": {Queues: []blocking.QueueDeclare{{Queue: "q", NoWait: true}}},
	} {
		var config *blocking.ConfigError
		if err := conn.Declare(testContext(t), topology); !errors.As(err, &config) || config.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	if len(log.lines) > 0 {
		t.Errorf("the broker got %v", log.lines)
	}
}

func TestDeclaredTopologyIsRecovered(t *testing.T) {
	var log diary
	r := connectRestarting(t, func(n int) answer { return declared(&log, "", "") })
	if err := r.conn.Declare(testContext(t), orders()); err != nil {
		t.Fatal(err)
	}
	r.cut <- struct{}{}
	await[blocking.Recovered](t, r)
	r.expect(t, "channel.open", "exchange.declare orders", "exchange.declare audit", `queue.declare "new"`, `queue.declare "all"`, "exchange.bind")
}

func TestNothingIsDeclaredBehindARefusal(t *testing.T) {
	b := connectStrict(t, &strict{})
	topology := &blocking.Topology{Queues: []blocking.QueueDeclare{{Queue: "bad"}}}
	for i := range 200 {
		topology.Queues = append(topology.Queues, blocking.QueueDeclare{Queue: fmt.Sprint("q", i)})
	}
	for range 20 {
		var e *blocking.DeclareError
		if err := b.conn.Declare(testContext(t), topology); !errors.As(err, &e) || e.Entity.Name != "bad" {
			t.Fatal(err)
		}
		if err := b.ch.ConfirmSelect(testContext(t)); err != nil {
			t.Fatal(err)
		}
		refused, m := false, ""
		for ; m != "confirm.select"; m = <-b.log {
			if refused && strings.HasPrefix(m, "queue.declare") {
				t.Fatalf("the broker got %s behind the refusal", m)
			}
			refused = refused || m == "channel.close-ok"
		}
	}
}
