package blocking

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/haypile/haypile/core/wire"
)

// EntityKind is what an Entity is.
type EntityKind uint8

// The kinds of entities.
const (
	EntityExchange EntityKind = iota + 1
	EntityQueue
	EntityBinding
	EntityConsumer
)

// String is the kind as AMQP calls it.
func (k EntityKind) String() string {
	names := [...]string{EntityExchange: "exchange", EntityQueue: "queue", EntityBinding: "binding", EntityConsumer: "consumer"}
	if int(k) < len(names) {
		return names[k]
	}
	return ""
}

// Entity is something that a connection made, and makes again after it was lost.
type Entity struct {
	Kind EntityKind
	// Name is of the exchange or queue; of a binding, its destination; of a
	// consumer, its queue.
	Name string
	// Source and RoutingKey are a binding's.
	Source, RoutingKey string
}

// String is such as `queue "jobs"`.
func (e Entity) String() string {
	if e.Kind != EntityBinding {
		return fmt.Sprintf("%s %q", e.Kind, e.Name)
	}
	return fmt.Sprintf("binding of %q to %q with key %q", e.Name, e.Source, e.RoutingKey)
}

// recorded is an entity with the request that made it.
type recorded struct {
	Entity
	request    wire.Method // ours alone
	arguments  wire.Table  // a binding's, which tell it from others
	autoDelete bool        // the broker deletes it with its last user
	named      bool        // a queue whose name the broker chose
}

// record is what was declared through a connection, in the order of its being
// made. It is used on the loop.
type record struct{ all []*recorded }

// describe is what a request makes, nil if that is nothing to be made again.
func describe(req any) *recorded {
	switch m := req.(type) {
	case *wire.ExchangeDeclare:
		if m != nil && !m.Passive {
			return &recorded{Entity: Entity{Kind: EntityExchange, Name: m.Exchange}, request: m, autoDelete: m.AutoDelete}
		}
	case *wire.QueueDeclare:
		if m != nil && !m.Passive {
			return &recorded{Entity: Entity{Kind: EntityQueue, Name: m.Queue}, request: m, autoDelete: m.AutoDelete, named: m.Queue == ""}
		}
	case *wire.ExchangeBind:
		return &recorded{Entity: Entity{EntityBinding, m.Destination, m.Source, m.RoutingKey}, request: m, arguments: m.Arguments}
	case *wire.QueueBind:
		return &recorded{Entity: Entity{EntityBinding, m.Queue, m.Exchange, m.RoutingKey}, request: m, arguments: m.Arguments}
	}
	return nil
}

// add takes what has been made. An entity that is declared again keeps its place.
func (r *record) add(e *recorded) {
	for i, old := range r.all {
		if old.Entity == e.Entity && sameTable(old.arguments, e.arguments) {
			r.all[i] = e
			return
		}
	}
	r.all = append(r.all, e)
}

// sameTable compares what the broker compares: what is sent.
func sameTable(a, b wire.Table) bool {
	if len(a) != len(b) {
		return false
	}
	x, errX := a.AppendTo(nil)
	y, errY := b.AppendTo(nil)
	return errX == nil && errY == nil && string(x) == string(y)
}

// forget drops what was deleted. Bindings go with either end, and exchanges that
// delete themselves with the last binding that has them for its source.
func (r *record) forget(kind EntityKind, name string) {
	r.drop(func(e *recorded) bool { return e.Kind == kind && e.Name == name })
	r.unbind(func(e *recorded) bool {
		if kind == EntityExchange && e.Source == name {
			return true
		}
		_, toQueue := e.request.(*wire.QueueBind)
		return e.Name == name && toQueue == (kind == EntityQueue)
	})
}

// unbind drops bindings.
func (r *record) unbind(which func(*recorded) bool) {
	var sources []string
	r.drop(func(e *recorded) bool {
		if e.Kind != EntityBinding || !which(e) {
			return false
		}
		sources = append(sources, e.Source)
		return true
	})
	for _, name := range sources {
		unused := !slices.ContainsFunc(r.all, func(e *recorded) bool { return e.Kind == EntityBinding && e.Source == name })
		if unused && r.autoDeletes(EntityExchange, name) {
			r.forget(EntityExchange, name)
		}
	}
}

// autoDeletes tells that the broker deletes the entity with its last user.
func (r *record) autoDeletes(kind EntityKind, name string) bool {
	return slices.ContainsFunc(r.all, func(e *recorded) bool { return e.Kind == kind && e.Name == name && e.autoDelete })
}

// goingWith picks queues, their bindings, and the exchanges that go with the last
// of these.
func (r *record) goingWith(queues []string) func(*recorded) bool {
	bound := func(e *recorded) bool {
		_, toQueue := e.request.(*wire.QueueBind)
		return toQueue && slices.Contains(queues, e.Name)
	}
	return func(e *recorded) bool {
		switch e.Kind {
		case EntityQueue:
			return slices.Contains(queues, e.Name)
		case EntityExchange:
			return e.autoDelete && slices.ContainsFunc(r.all, func(b *recorded) bool { return bound(b) && b.Source == e.Name })
		}
		return bound(e)
	}
}

func (r *record) drop(which func(*recorded) bool) { r.all = slices.DeleteFunc(r.all, which) }

// unused is told that a queue has lost its last consumer.
func (r *record) unused(queue string) {
	if r.autoDeletes(EntityQueue, queue) {
		r.forget(EntityQueue, queue)
	}
}

// rename gives a queue its new name, in its bindings, too.
func (r *record) rename(old, name string) {
	for _, e := range r.all {
		if e.Name != old {
			continue
		}
		if m, ok := e.request.(*wire.QueueBind); ok {
			m.Queue, e.Name = name, name
		} else if e.Kind == EntityQueue {
			e.Name = name
		}
	}
}

// resolved is a copy of a request with what depends on the channel, and on what
// was renamed, filled in: it can be recorded, and made again on another channel.
// Requests that are not about such things are returned as they are.
func (ch *Channel) resolved(req any) any {
	switch m := req.(type) {
	case *wire.ExchangeDeclare:
		return copied(m, func(m *wire.ExchangeDeclare) { m.Arguments = m.Arguments.Clone() })
	case *wire.ExchangeBind:
		return copied(m, func(m *wire.ExchangeBind) { m.Arguments = m.Arguments.Clone() })
	case *wire.ExchangeUnbind:
		return req
	case *wire.QueueDeclare:
		return copied(m, func(m *wire.QueueDeclare) {
			if m.Passive {
				m.Queue = ch.queueName(m.Queue)
			}
			ch.declared = true
			m.Arguments = m.Arguments.Clone()
		})
	case *wire.QueueBind:
		return copied(m, func(m *wire.QueueBind) {
			if m.RoutingKey == "" && m.Queue == "" {
				m.RoutingKey = ch.queueName("")
			}
			m.Queue = ch.queueName(m.Queue)
			m.Arguments = m.Arguments.Clone()
		})
	case *wire.QueueUnbind:
		return copied(m, func(m *wire.QueueUnbind) { m.Queue = ch.queueName(m.Queue) })
	case *wire.QueueDelete:
		return copied(m, func(m *wire.QueueDelete) { m.Queue = ch.queueName(m.Queue) })
	case *wire.QueuePurge:
		return copied(m, func(m *wire.QueuePurge) { m.Queue = ch.queueName(m.Queue) })
	}
	return req
}

// copied is a changed copy; nil stays nil, which core refuses.
func copied[T any](m *T, change func(*T)) *T {
	if m == nil {
		return nil
	}
	c := *m
	change(&c)
	return &c
}

// queueName is what a queue is called now. Empty stands for the one declared last
// on the channel, which the broker knows, unless that was before a recovery.
func (ch *Channel) queueName(name string) string {
	if name == "" {
		if ch.declared {
			return ""
		}
		return ch.lastQueue
	}
	c := ch.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if now, ok := c.renamed[name]; ok {
		return now
	}
	return name
}

// note takes down, on the loop, what the broker has done for a resolved request.
// Since answers come in order, an empty name stands for the queue whose declare was
// answered last.
func (ch *Channel) note(req, reply any) {
	r := &ch.conn.turn.record
	switch m := req.(type) {
	case *wire.QueueDeclare:
		ch.lastQueue = reply.(*wire.QueueDeclareOk).Queue
		if e := describe(m); e != nil {
			e.Name = ch.lastQueue
			r.add(e)
		}
	case *wire.QueueBind:
		if m.Queue == "" && m.RoutingKey == "" {
			m.RoutingKey = ch.lastQueue
		}
		m.Queue = cmp.Or(m.Queue, ch.lastQueue)
		r.add(describe(m))
	case *wire.ExchangeDeclare, *wire.ExchangeBind:
		if e := describe(m); e != nil {
			r.add(e)
		}
	case *wire.QueueDelete:
		r.forget(EntityQueue, cmp.Or(m.Queue, ch.lastQueue))
	case *wire.ExchangeDelete:
		r.forget(EntityExchange, m.Exchange)
	case *wire.QueueUnbind:
		gone := Entity{EntityBinding, cmp.Or(m.Queue, ch.lastQueue), m.Exchange, m.RoutingKey}
		r.unbind(func(e *recorded) bool { return e.Entity == gone && sameTable(e.arguments, m.Arguments) })
	case *wire.ExchangeUnbind:
		gone := Entity{EntityBinding, m.Destination, m.Source, m.RoutingKey}
		r.unbind(func(e *recorded) bool { return e.Entity == gone && sameTable(e.arguments, m.Arguments) })
	case *wire.BasicQos:
		if m.Global {
			ch.qosAll = *m
		} else {
			ch.qos = *m
		}
	case *wire.ConfirmSelect:
		ch.confirming = true
	case *wire.TxSelect:
		ch.tx.selected = true
	}
}
