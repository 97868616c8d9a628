package route

import (
	"cmp"

	"github.com/haypile/haypile/core/wire"
)

// identity is what tells bindings apart, in a form that can be a key.
type identity struct {
	source, destination string
	toExchange          bool
	key                 string
	arguments           string // as encoded, which sorts them
}

func identify(b Binding) (identity, error) {
	arguments, err := b.Arguments.AppendTo(nil)
	return identity{b.Source, b.Destination, b.ToExchange, b.RoutingKey, string(arguments)}, err
}

func (a identity) compare(b identity) int {
	return cmp.Or(
		cmp.Compare(a.source, b.source),
		cmp.Compare(a.destination, b.destination),
		compareBools(a.toExchange, b.toExchange),
		cmp.Compare(a.key, b.key),
		cmp.Compare(a.arguments, b.arguments),
	)
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// binding is a Binding with what it connects.
type binding struct {
	id        identity
	arguments wire.Table
	from      *exchange
	to        *end
	at        [places]int // where it is in each set that it is in
	topic     *topic      // of a topic exchange
	pattern   pattern     // of a headers exchange
}

// place is one of the sets that a binding can be in at once.
type place int

const (
	inSource place = iota
	inDestination
	inMatcher
	places
)

// set is bindings in no order. Each knows where it is, so that adding and
// removing cost the same whatever the size.
type set []*binding

func (s *set) add(b *binding, p place) {
	b.at[p] = len(*s)
	*s = append(*s, b)
}

func (s *set) remove(b *binding, p place) {
	last := len(*s) - 1
	moved := (*s)[last]
	(*s)[b.at[p]] = moved
	moved.at[p] = b.at[p]
	(*s)[last] = nil
	*s = (*s)[:last]
}

func (s set) last() *binding { return s[len(s)-1] }
