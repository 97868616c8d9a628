package route

import "strings"

// Usage is what a Router holds. The exchanges that every virtual host has do not
// count, nor do the bindings from the default one.
type Usage struct {
	Exchanges, Bindings int
	Bytes               int64 // that they cost in memory, roughly
}

// Plus is the sum.
func (u Usage) Plus(o Usage) Usage {
	return Usage{u.Exchanges + o.Exchanges, u.Bindings + o.Bindings, u.Bytes + o.Bytes}
}

// What things cost, roughly: a word of a topic's pattern is a node with a map, and
// a table grows when it is decoded.
const (
	exchangeCost = 1024
	bindingCost  = 768
	wordCost     = 384
	tableFactor  = 24
)

// ArgumentsCost is what a table of so many encoded bytes costs once it is decoded.
func ArgumentsCost(encoded int) int64 { return int64(encoded) * tableFactor }

// Usage is what the Router holds now.
func (r *Router[Q]) Usage() Usage { return r.usage }

func (r *Router[Q]) countExchange(x *exchange, n int) {
	r.usage.Exchanges += n
	r.usage.Bytes += int64(n) * (exchangeCost + x.cost)
}

func (r *Router[Q]) countBinding(b *binding, n int) {
	r.usage.Bindings += n
	bytes := int64(bindingCost) + ArgumentsCost(len(b.id.arguments))
	if b.topic != nil {
		bytes += int64(1+strings.Count(b.id.key, ".")) * wordCost
	}
	r.usage.Bytes += int64(n) * bytes
}
