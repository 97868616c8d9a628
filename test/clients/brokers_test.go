package clients

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/haypile/haypile/broker"
	"github.com/haypile/haypile/test/rabbitmq"
)

// target is a running broker with the user guest, for clients that run at the
// same time.
type target struct {
	port, tlsPort  int    // on localhost
	authority      string // the file with what signed the certificate
	block, unblock func(t *testing.T)
	restart        func(t *testing.T)
	left           func(t *testing.T) string // connections and queues, of which clients are to leave none
}

var brokers = []struct {
	name  string
	start func(t *testing.T) *target
	plain bool // without TLS, which knows of no loop: it runs on two that hand it its bytes in different ways
}{
	{"RabbitMQ", startRabbitMQ, false},
	{"the embedded broker as RabbitMQ 3 on stdnet", embedded(broker.RabbitMQ3, newStdnet), false},
	{"the embedded broker as RabbitMQ 4 on ioloop", embedded(broker.RabbitMQ4, newIOLoop), true},
	{"the embedded broker as RabbitMQ 4 on gnet", embedded(broker.RabbitMQ4, newGnet), false},
	{"the embedded broker as RabbitMQ 4 on evio", embedded(broker.RabbitMQ4, newEvio), true},
}

func startRabbitMQ(t *testing.T) *target {
	node := rabbitmq.Start(t, rabbitmq.WithTLS())
	secure, err := url.Parse(node.TLSURL())
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(secure.Port())
	if err != nil {
		t.Fatal(err)
	}
	a := &alarm{set: func(t *testing.T, low bool) {
		if err := node.MemoryAlarm(context.Background(), low); err != nil {
			t.Error(err)
		}
	}}
	left := func(t *testing.T) string {
		all, err := node.Eval(context.Background(),
			`lists:flatten(io_lib:format("~p", [rabbit_networking:connection_info_all([name, client_properties]) ++ rabbit_amqqueue:list_names()])).`)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Trim(all, "\"[]\n") // nothing, of an empty list
	}
	restart := func(t *testing.T) {
		if err := errors.Join(node.Stop(), node.Restart()); err != nil {
			t.Error(err)
		}
	}
	return &target{node.Port, port, secure.Query().Get("cacertfile"), a.begin, a.end, restart, left}
}

// alarm is a broker's memory alarm, which blocks all its clients: it lasts for as
// long as one of them wants it.
type alarm struct {
	set func(t *testing.T, low bool)

	mu    sync.Mutex
	wants int
}

func (a *alarm) begin(t *testing.T) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.wants++; a.wants == 1 {
		a.set(t, true)
	}
}

func (a *alarm) end(t *testing.T) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.wants--; a.wants == 0 {
		a.set(t, false)
	}
}
