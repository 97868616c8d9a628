package broker

import (
	"slices"
	"strings"

	"github.com/haypile/haypile/broker/internal/route"
	"github.com/haypile/haypile/core/wire"
)

var exchangeTypes = []string{"direct", "fanout", "topic", "headers"}

var errDefaultExchange = raise(wire.AccessRefused, "operation not permitted on the default exchange")

func (ch *channel) exchangeDeclare(m *wire.ExchangeDeclare) *exception {
	v := ch.session.vhost
	m.Exchange = stripped(m.Exchange)
	if m.Passive {
		if m.Exchange == "" {
			return errDefaultExchange
		}
		if _, ok := v.router.Exchange(m.Exchange); !ok {
			return v.noExchange(m.Exchange)
		}
		return ch.answer(m.NoWait, &wire.ExchangeDeclareOk{})
	}
	if x := ch.declaredExchange(m); x != nil {
		return x
	}
	return ch.answer(m.NoWait, &wire.ExchangeDeclareOk{})
}

func (ch *channel) declaredExchange(m *wire.ExchangeDeclare) *exception {
	v := ch.session.vhost
	if !slices.Contains(exchangeTypes, m.Type) {
		code := wire.CommandInvalid
		if v.broker.traits.softType {
			code = wire.PreconditionFailed
		}
		quality := "unknown"
		if m.Type == "" {
			quality = "invalid"
		}
		return raise(code, "%s exchange type '%s'", quality, m.Type)
	}
	if m.Exchange == "" {
		return errDefaultExchange
	}
	if x := ch.may(mayConfigure, "exchange", m.Exchange); x != nil {
		return x
	}
	if e, ok := v.router.Exchange(m.Exchange); ok {
		return v.equivalent(e, m)
	}
	if x := reserved("exchange", m.Exchange); x != nil {
		return x
	}
	if alternate, ok := m.Arguments["alternate-exchange"].(string); ok {
		if x := ch.may(mayRead, "exchange", m.Exchange); x != nil {
			return x
		}
		if x := ch.may(mayWrite, "exchange", alternate); x != nil {
			return x
		}
	}
	if x := v.mayAddExchange(m.Exchange); x != nil {
		return x
	}
	err := v.router.Declare(route.Exchange{
		Name: m.Exchange, Type: m.Type, Durable: m.Durable, AutoDelete: m.AutoDelete, Internal: m.Internal, Arguments: m.Arguments,
	})
	if err != nil {
		return v.routeRefusal(err)
	}
	return nil
}

// equivalent is nil if an exchange that exists is what a declaration asks for.
func (v *vhost) equivalent(e route.Exchange, m *wire.ExchangeDeclare) *exception {
	for _, f := range []struct {
		name      string
		want, has any
	}{
		{"type", m.Type, e.Type},
		{"durable", m.Durable, e.Durable},
		{"auto_delete", m.AutoDelete, e.AutoDelete},
		{"internal", m.Internal, e.Internal},
	} {
		if f.want != f.has {
			return raise(wire.PreconditionFailed, "inequivalent arg '%s' for %s: received '%v' but current is '%v'", f.name, v.exchangeText(e.Name), f.want, f.has)
		}
	}
	const name = "alternate-exchange"
	want, wants := m.Arguments[name].(string)
	has, there := e.Arguments[name].(string)
	switch {
	case wants && there && want != has:
		return raise(wire.PreconditionFailed, "inequivalent arg '%s' for %s: received '%s' but current is '%s'", name, v.exchangeText(e.Name), want, has)
	case wants != there:
		return raise(wire.PreconditionFailed, "inequivalent arg '%s' for %s: received %s but current is %s", name, v.exchangeText(e.Name), orNone(want, wants), orNone(has, there))
	}
	return nil
}

func orNone(value string, ok bool) string {
	if !ok {
		return "none"
	}
	return "the value '" + value + "' of type 'longstr'"
}

func (ch *channel) exchangeDelete(m *wire.ExchangeDelete) *exception {
	v, name := ch.session.vhost, stripped(m.Exchange)
	switch {
	case name == "":
		return errDefaultExchange
	case strings.HasPrefix(name, "amq."):
		return raise(wire.AccessRefused, "deletion of system %s not allowed", v.exchangeText(name))
	}
	if x := ch.may(mayConfigure, "exchange", name); x != nil {
		return x
	}
	if m.IfUnused && v.router.InUse(name) {
		return raise(wire.PreconditionFailed, "%s in use", v.exchangeText(name))
	}
	v.forget(append(v.router.Delete(name), name))
	return ch.answer(m.NoWait, &wire.ExchangeDeleteOk{})
}

func (ch *channel) queueBind(m *wire.QueueBind) *exception {
	b, x := ch.queueBinding(m.Exchange, m.Queue, m.RoutingKey, m.Arguments)
	if x == nil {
		x = ch.bind(b)
	}
	if x != nil {
		return x
	}
	return ch.answer(m.NoWait, &wire.QueueBindOk{})
}

func (ch *channel) queueUnbind(m *wire.QueueUnbind) *exception {
	b, x := ch.queueBinding(m.Exchange, m.Queue, m.RoutingKey, m.Arguments)
	if x == nil {
		x = ch.unbind(b)
	}
	if x != nil {
		return x
	}
	return ch.answer(false, &wire.QueueUnbindOk{})
}

// queueBinding fills in what an empty queue name and an empty key stand for.
func (ch *channel) queueBinding(source, name, key string, args wire.Table) (route.Binding, *exception) {
	if name == "" && key == "" {
		key = ch.lastQueue
	}
	name, x := ch.named(name)
	return route.Binding{Source: stripped(source), Destination: stripped(name), RoutingKey: key, Arguments: args}, x
}

func (ch *channel) exchangeBind(m *wire.ExchangeBind) *exception {
	b := route.Binding{Source: stripped(m.Source), Destination: stripped(m.Destination), ToExchange: true, RoutingKey: m.RoutingKey, Arguments: m.Arguments}
	if x := ch.bind(b); x != nil {
		return x
	}
	return ch.answer(m.NoWait, &wire.ExchangeBindOk{})
}

func (ch *channel) exchangeUnbind(m *wire.ExchangeUnbind) *exception {
	b := route.Binding{Source: stripped(m.Source), Destination: stripped(m.Destination), ToExchange: true, RoutingKey: m.RoutingKey, Arguments: m.Arguments}
	if x := ch.unbind(b); x != nil {
		return x
	}
	return ch.answer(m.NoWait, &wire.ExchangeUnbindOk{})
}

func (ch *channel) bind(b route.Binding) *exception {
	if x := ch.mayBind(b); x != nil {
		return x
	}
	v := ch.session.vhost
	if x := v.bindable(b, ch.session); x != nil {
		return x
	}
	if x := v.mayAddBinding(b.Source); x != nil && !v.router.Bound(b) {
		return x
	}
	if err := v.router.Bind(b); err != nil {
		return v.routeRefusal(err)
	}
	return nil
}

func (ch *channel) unbind(b route.Binding) *exception {
	if x := ch.mayBind(b); x != nil {
		return x
	}
	v := ch.session.vhost
	if q := v.queues[b.Destination]; !b.ToExchange && q != nil && q.owner != nil && q.owner != ch.session && v.router.Bound(b) {
		return q.locked()
	}
	_, gone := v.router.Unbind(b) // RabbitMQ does not mind if there is none
	v.forget(gone)
	return nil
}

// mayBind is nil if the user may make or take back a binding.
func (ch *channel) mayBind(b route.Binding) *exception {
	kind := "queue"
	if b.ToExchange {
		kind = "exchange"
	}
	if x := ch.may(mayWrite, kind, b.Destination); x != nil {
		return x
	}
	if b.Source == "" || b.ToExchange && b.Destination == "" {
		return errDefaultExchange
	}
	return ch.may(mayRead, "exchange", b.Source)
}

// bindable is nil if both ends exist and are not somebody else's.
func (v *vhost) bindable(b route.Binding, s *session) *exception {
	if _, ok := v.router.Exchange(b.Source); !ok {
		return v.noExchange(b.Source)
	}
	if b.ToExchange {
		if _, ok := v.router.Exchange(b.Destination); !ok {
			return v.noExchange(b.Destination)
		}
		return nil
	}
	_, x := v.queue(b.Destination, s)
	return x
}
