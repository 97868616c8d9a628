package route

import "github.com/haypile/haypile/core/wire"

// Exchange is an exchange as it was declared.
type Exchange struct {
	Name       string // empty: the default exchange
	Type       string // direct, fanout, topic or headers
	Durable    bool
	AutoDelete bool
	Internal   bool       // Route passes messages through it all the same; refusing clients is the caller's
	Arguments  wire.Table // not to be changed while the Router has it
}

// Binding leads from an exchange to a queue or to another exchange. Its identity
// is the whole of it: bindings with other arguments are other bindings.
type Binding struct {
	Source      string
	Destination string
	ToExchange  bool // Destination is the name of an exchange
	RoutingKey  string
	Arguments   wire.Table // not to be changed while the Router has it
}

// predeclared are the exchanges of a new virtual host.
var predeclared = []Exchange{
	{Name: "", Type: "direct", Durable: true},
	{Name: "amq.direct", Type: "direct", Durable: true},
	{Name: "amq.fanout", Type: "fanout", Durable: true},
	{Name: "amq.headers", Type: "headers", Durable: true},
	{Name: "amq.match", Type: "headers", Durable: true},
	{Name: "amq.rabbitmq.trace", Type: "topic", Durable: true, Internal: true},
	{Name: "amq.topic", Type: "topic", Durable: true},
}

// exchange is an Exchange with its bindings.
type exchange struct {
	Exchange
	end       end
	from      set // the bindings from it
	matcher   matcher
	alternate string // empty: none
	cost      int64  // of the arguments
}

// end is where bindings lead.
type end struct {
	name     string
	queue    any       // the handle
	exchange *exchange // nil for a queue
	into     set       // the bindings that lead here
	round    uint64    // the last walk that came by
}

// matcher is what makes the types of exchange differ.
type matcher interface {
	add(b *binding)
	remove(b *binding)
	// match has w reach the ends of all bindings that match, and reports whether
	// there were any.
	match(w *walk, keys []string, headers wire.RawTable) bool
}

// newMatcher is nil for a type that does not exist.
func newMatcher(kind string) matcher {
	switch kind {
	case "direct":
		return direct{}
	case "fanout":
		return &fanout{}
	case "topic":
		return &topics{root: &topic{}}
	case "headers":
		return &headers{}
	}
	return nil
}

func newExchange(e Exchange) (*exchange, error) {
	x := &exchange{Exchange: e, matcher: newMatcher(e.Type)}
	x.end.name, x.end.exchange = e.Name, x
	if x.matcher == nil {
		return nil, unknownType(e.Type)
	}
	switch name := e.Arguments[argAlternate].(type) {
	case string:
		x.alternate = name
	default:
		if _, given := e.Arguments[argAlternate]; given {
			return nil, wrongType(e.Name, argAlternate, name)
		}
	}
	if len(e.Arguments) > 0 {
		arguments, err := e.Arguments.AppendTo(nil)
		if err != nil {
			return nil, err
		}
		x.cost = ArgumentsCost(len(arguments))
	}
	return x, nil
}

// spent tells of an auto-delete exchange that has just lost a binding whether it
// was the last.
func (x *exchange) spent() bool { return x.AutoDelete && len(x.from) == 0 }

const argAlternate = "alternate-exchange"
