package route

import (
	"cmp"
	"slices"

	"github.com/haypile/haypile/core/wire"
)

// Router holds the exchanges of one virtual host and the bindings from them. Q is
// the handle of a queue, which Route gives back. A Router is not safe for
// concurrent use, reading included.
type Router[Q any] struct {
	exchanges map[string]*exchange
	queues    map[string]*end
	bindings  map[identity]*binding
	usage     Usage
	walk      walk
}

// New returns a Router with the exchanges that every virtual host has: the
// default one (""), amq.direct, amq.fanout, amq.headers, amq.match, amq.topic and
// amq.rabbitmq.trace.
func New[Q any]() *Router[Q] {
	r := &Router[Q]{
		exchanges: make(map[string]*exchange),
		queues:    make(map[string]*end),
		bindings:  make(map[identity]*binding),
	}
	for _, e := range predeclared {
		x, _ := newExchange(e)
		r.exchanges[e.Name] = x
	}
	return r
}

// Exchange returns the exchange of that name.
func (r *Router[Q]) Exchange(name string) (e Exchange, ok bool) {
	x, ok := r.exchanges[name]
	if !ok {
		return Exchange{}, false
	}
	return x.Exchange, true
}

// Declare adds an exchange. One that exists is left as it is: the caller compares
// it with what is asked for. The *Error is for an unknown type (503, as RabbitMQ
// 3 has it; RabbitMQ 4 says the same with 406) or an alternate-exchange argument
// that is no string (406); arguments that cannot be encoded are a *wire.EncodeError.
func (r *Router[Q]) Declare(e Exchange) error {
	x, err := newExchange(e)
	if err != nil {
		return err
	}
	if r.exchanges[e.Name] == nil {
		r.exchanges[e.Name] = x
		r.countExchange(x, 1)
	}
	return nil
}

// Delete removes an exchange with all bindings from and to it. gone names the
// auto-delete exchanges that lost their last binding by that and are deleted, too,
// in the order in which they went; name is not among them. The default exchange
// stays, and a name that does not exist is no error.
func (r *Router[Q]) Delete(name string) (gone []string) {
	x := r.exchanges[name]
	if x == nil || name == "" {
		return nil
	}
	return r.drop(x)[1:]
}

// InUse reports whether there are bindings from the exchange, which is what
// if-unused asks. Bindings to it do not count.
func (r *Router[Q]) InUse(name string) bool {
	x := r.exchanges[name]
	return x != nil && len(x.from) > 0
}

// AddQueue lets bindings lead to the queue, and the default exchange route to it
// by its name. For a name that exists the handle is replaced and the bindings
// stay.
func (r *Router[Q]) AddQueue(name string, q Q) {
	e := r.queues[name]
	if e == nil {
		e = &end{name: name}
		r.queues[name] = e
	}
	e.queue = q
}

// RemoveQueue removes the queue with all bindings to it; gone is as Delete's. A
// name that does not exist is no error.
func (r *Router[Q]) RemoveQueue(name string) (gone []string) {
	e := r.queues[name]
	if e == nil {
		return nil
	}
	delete(r.queues, name)
	return r.drop(r.detach(e, nil)...)
}

// Bind adds a binding, or does nothing if it exists. The *Error is for the default
// exchange at either end (403), an end that does not exist (404, the source first)
// or a wrong x-match of a headers exchange (406); arguments that cannot be encoded
// are a *wire.EncodeError.
func (r *Router[Q]) Bind(b Binding) error {
	if b.Source == "" || b.ToExchange && b.Destination == "" {
		return ErrDefault
	}
	from, to := r.exchanges[b.Source], r.destination(b)
	if from == nil {
		return notFound("exchange", b.Source)
	}
	if to == nil {
		return notFound(kind(b.ToExchange), b.Destination)
	}
	id, err := identify(b)
	if err != nil || r.bindings[id] != nil {
		return err
	}
	added := &binding{id: id, arguments: b.Arguments, from: from, to: to}
	if from.Type == "headers" {
		if added.pattern, err = compile(b.Arguments); err != nil {
			return err
		}
	}
	r.bindings[id] = added
	from.from.add(added, inSource)
	to.into.add(added, inDestination)
	from.matcher.add(added)
	r.countBinding(added, 1)
	return nil
}

// Unbind removes a binding. found is false when there is none that is the same in
// every part, which RabbitMQ does not mind; gone is as Delete's. The bindings of
// the default exchange are never found: refusing (see ErrDefault) is the caller's.
func (r *Router[Q]) Unbind(b Binding) (found bool, gone []string) {
	id, err := identify(b)
	old := r.bindings[id]
	if err != nil || old == nil {
		return false, nil
	}
	r.remove(old)
	if old.from.spent() {
		gone = r.drop(old.from)
	}
	return true, gone
}

// Bound reports whether there is such a binding, the same in every part.
func (r *Router[Q]) Bound(b Binding) bool {
	id, err := identify(b)
	return err == nil && r.bindings[id] != nil
}

func (r *Router[Q]) destination(b Binding) *end {
	if !b.ToExchange {
		return r.queues[b.Destination]
	}
	if x := r.exchanges[b.Destination]; x != nil {
		return &x.end
	}
	return nil
}

func (r *Router[Q]) remove(b *binding) {
	r.countBinding(b, -1)
	delete(r.bindings, b.id)
	b.from.from.remove(b, inSource)
	b.to.into.remove(b, inDestination)
	b.from.matcher.remove(b)
}

// detach removes all bindings to e and appends the exchanges that this has left
// without any.
func (r *Router[Q]) detach(e *end, spent []*exchange) []*exchange {
	for len(e.into) > 0 {
		b := e.into.last()
		r.remove(b)
		if b.from.spent() {
			spent = append(spent, b.from)
		}
	}
	return spent
}

// drop deletes exchanges and those that are spent by it, and names them all.
func (r *Router[Q]) drop(doomed ...*exchange) (names []string) {
	for i := 0; i < len(doomed); i++ {
		x := doomed[i]
		names = append(names, x.Name)
		delete(r.exchanges, x.Name)
		r.countExchange(x, -1)
		for len(x.from) > 0 {
			r.remove(x.from.last())
		}
		doomed = r.detach(&x.end, doomed)
	}
	return names
}

// Exchanges returns all exchanges, sorted by name.
func (r *Router[Q]) Exchanges() []Exchange {
	all := make([]Exchange, 0, len(r.exchanges))
	for _, x := range r.exchanges {
		all = append(all, x.Exchange)
	}
	slices.SortFunc(all, func(a, b Exchange) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Bindings returns all bindings, those from the default exchange to every queue
// included, sorted by source, destination, routing key and arguments.
func (r *Router[Q]) Bindings() []Binding {
	ids := make([]identity, 0, len(r.bindings)+len(r.queues))
	for name := range r.queues {
		ids = append(ids, identity{destination: name, key: name})
	}
	for id := range r.bindings {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, identity.compare)
	all := make([]Binding, len(ids))
	for i, id := range ids {
		var arguments wire.Table
		if b := r.bindings[id]; b != nil {
			arguments = b.arguments
		}
		all[i] = Binding{id.source, id.destination, id.toExchange, id.key, arguments}
	}
	return all
}
