package blocking

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/haypile/haypile/core/wire"
)

// Topology is the exchanges, queues and bindings that a program needs, as a value:
// written once, declared by Conn.Declare, as often as wanted.
//
// The fields are requests as the methods of Channel take them. Passive ones only
// check that something exists. Queues must have names, since bindings refer to
// them by name.
type Topology struct {
	Exchanges        []ExchangeDeclare
	Queues           []QueueDeclare
	ExchangeBindings []ExchangeBind
	QueueBindings    []QueueBind
}

// Declare makes what the topology describes and is not there, in the order of
// Topology's fields, on a channel of its own. Declaring what is there as described
// changes nothing, so every program that needs a topology may declare it when it
// starts. Recovery makes it again, as all that is declared through the connection.
//
// It stops at the first refusal, with a *DeclareError; what was made before stays.
// Other errors: a *ConfigError for a topology that cannot be meant (nothing is sent
// then), and those of Channel's methods.
func (c *Conn) Declare(ctx context.Context, t *Topology) error {
	if err := t.check(); err != nil {
		return err
	}
	ch := newChannel(c)
	ch.once = true // or what is behind a refusal would be declared
	if err := ch.openFirst(ctx); err != nil {
		return err
	}
	err := t.declare(ctx, ch)
	ended, cancel := context.WithCancel(ctx)
	cancel()
	_ = ch.Close(ended) // nobody needs to wait for that, nor for a lost connection to come back
	return err
}

func (t *Topology) check() error {
	if t == nil {
		return &ConfigError{Field: "topology", Value: "nil", Want: "set"}
	}
	for i := range t.Exchanges {
		e := &t.Exchanges[i]
		if err := checkEntry("Exchanges", i, e.Exchange, e.NoWait); err != nil {
			return err
		}
	}
	for i := range t.Queues {
		q := &t.Queues[i]
		if err := checkEntry("Queues", i, q.Queue, q.NoWait); err != nil {
			return err
		}
	}
	for i := range t.ExchangeBindings {
		b := &t.ExchangeBindings[i]
		if err := checkEntry("ExchangeBindings", i, b.Destination, b.NoWait); err != nil {
			return err
		}
	}
	for i := range t.QueueBindings {
		b := &t.QueueBindings[i]
		if err := checkEntry("QueueBindings", i, b.Queue, b.NoWait); err != nil {
			return err
		}
	}
	return nil
}

func checkEntry(list string, i int, name string, noWait bool) error {
	field := fmt.Sprintf("Topology.%s[%d]", list, i)
	switch {
	case name == "":
		return &ConfigError{Field: field, Value: "no name", Want: "named"}
	case noWait:
		return &ConfigError{Field: field + ".NoWait", Value: true, Want: "false"}
	}
	return nil
}

// declare sends all requests at once, since the broker answers in order and
// nothing behind a refusal is done.
func (t *Topology) declare(ctx context.Context, ch *Channel) error {
	var pending []declaring
	for i := range t.Exchanges {
		pending = append(pending, declareOne(ctx, ch, &t.Exchanges[i]))
	}
	for i := range t.Queues {
		pending = append(pending, declareOne(ctx, ch, &t.Queues[i]))
	}
	for i := range t.ExchangeBindings {
		pending = append(pending, declareOne(ctx, ch, &t.ExchangeBindings[i]))
	}
	for i := range t.QueueBindings {
		pending = append(pending, declareOne(ctx, ch, &t.QueueBindings[i]))
	}
	for i, p := range pending {
		if err := p.wait(); err != nil {
			for _, later := range pending[i+1:] {
				_ = later.wait() // they fail for the same reason
			}
			return refusal(p.entity, err)
		}
	}
	return nil
}

// declaring is a declaration under way.
type declaring struct {
	entity Entity
	wait   func() error
}

func declareOne[R wire.Method](ctx context.Context, ch *Channel, req wire.Request[R]) declaring {
	b := begin(ctx, ch, req, (*Conn).enqueue)
	return declaring{entityOf(req), func() error {
		_, err := b.wait()
		return err
	}}
}

// entityOf is what a request of a topology is about.
func entityOf(req any) Entity {
	switch m := req.(type) {
	case *wire.ExchangeDeclare:
		return Entity{Kind: EntityExchange, Name: m.Exchange}
	case *wire.QueueDeclare:
		return Entity{Kind: EntityQueue, Name: m.Queue}
	case *wire.ExchangeBind:
		return Entity{EntityBinding, m.Destination, m.Source, m.RoutingKey}
	case *wire.QueueBind:
		return Entity{EntityBinding, m.Queue, m.Exchange, m.RoutingKey}
	}
	return Entity{}
}

// DeclareError is a part of a Topology that the broker refused.
type DeclareError struct {
	Entity Entity
	// Argument is the one that differs, when something of that name is there
	// already and is not as declared (PreconditionFailed): "durable",
	// "x-message-ttl", …; else empty. Declared and Existing are its values, as the
	// broker words them.
	Argument, Declared, Existing string
	Err                          error // the broker's *Error
}

// Error tells what differs, or else what the broker said.
func (e *DeclareError) Error() string {
	what := e.Entity.String()
	if e.Argument == "" {
		return "amqp: " + what + " was refused: " + strings.TrimPrefix(e.Err.Error(), "amqp: ")
	}
	return fmt.Sprintf("amqp: %s exists with another %s: declared with %s, there with %s", what, e.Argument, e.Declared, e.Existing)
}

// Unwrap is the broker's error.
func (e *DeclareError) Unwrap() error { return e.Err }

// refusal makes a DeclareError of what the broker said; other errors stay.
func refusal(entity Entity, err error) error {
	var said *Error
	if !errors.As(err, &said) || !said.Remote || said.Channel == 0 {
		return err
	}
	e := &DeclareError{Entity: entity, Err: err}
	if said.Code == PreconditionFailed {
		e.Argument, e.Declared, e.Existing = difference(said.Text)
	}
	return e
}

// difference reads RabbitMQ's words for a 406:
//
//	inequivalent arg 'durable' for queue 'q' in vhost '/': received 'true' but current is 'false'
//	… received the value '5' of type 'signedint' but current is none
//
// Empty if they are others, or cut off.
func difference(text string) (argument, declared, existing string) {
	_, rest, found := strings.Cut(text, "inequivalent arg '")
	if !found {
		return "", "", ""
	}
	argument, rest, _ = strings.Cut(rest, "'")
	_, rest, _ = strings.Cut(rest, ": received ")
	declared, existing, found = strings.Cut(rest, " but current is ")
	if !found {
		return "", "", ""
	}
	return argument, value(declared), value(existing)
}

// value takes the ornaments from a value as RabbitMQ words it.
func value(s string) string {
	s = strings.TrimPrefix(s, "the value ")
	s, kind, typed := strings.Cut(s, " of type ")
	s = strings.Trim(s, "'")
	if typed {
		s += " (" + strings.Trim(kind, "'") + ")"
	}
	return s
}
