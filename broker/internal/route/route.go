package route

import "github.com/haypile/haypile/core/wire"

// Route appends to dst the queues that a message goes to when it is published to
// the exchange, each once and in no particular order, and allocates nothing once
// its own buffers have grown. keys are the routing key and those of the headers CC
// and BCC; headers are the message's, well-formed as core checks them, and nil if
// it has none. An exchange that does not exist routes nowhere.
func (r *Router[Q]) Route(dst []Q, exchange string, keys []string, headers wire.RawTable) []Q {
	r.round++
	r.found = dst
	if exchange == "" {
		r.toQueues(keys)
	} else if x := r.exchanges[exchange]; x != nil {
		r.reach(&x.end)
		r.follow(keys, headers)
	}
	dst, r.found = r.found, nil
	return dst
}

// toQueues is the default exchange, to which every queue is bound by its name.
func (r *Router[Q]) toQueues(keys []string) {
	for _, key := range keys {
		if e := r.queues[key]; e != nil {
			r.reach(e)
		}
	}
}

// reach takes note of a queue or exchange that the message goes to.
func (r *Router[Q]) reach(e *end[Q]) {
	switch {
	case e.round == r.round:
		return
	case e.exchange != nil:
		r.pending = append(r.pending, e.exchange)
	default:
		r.found = append(r.found, e.queue)
	}
	e.round = r.round
}

// follow passes the message through all exchanges that it reaches.
func (r *Router[Q]) follow(keys []string, headers wire.RawTable) {
	for i := 0; i < len(r.pending); i++ {
		x := r.pending[i]
		if x.matcher.match(r, keys, headers) {
			continue
		}
		if other := r.exchanges[x.alternate]; other != nil {
			r.reach(&other.end)
		}
	}
	clear(r.pending)
	r.pending = r.pending[:0]
	r.fields.reset()
}

// all has r reach every end of a set.
func (s set[Q]) all(r *Router[Q]) (matched bool) {
	for _, b := range s {
		r.reach(b.to)
	}
	return len(s) > 0
}

// direct matches one of the message's keys with the whole of a binding's. As an
// alternate exchange, the default exchange is one without bindings.
type direct[Q any] map[string]*set[Q]

func (d direct[Q]) add(b *binding[Q]) {
	s := d[b.id.key]
	if s == nil {
		s = new(set[Q])
		d[b.id.key] = s
	}
	s.add(b, inMatcher)
}

func (d direct[Q]) remove(b *binding[Q]) {
	s := d[b.id.key]
	if s.remove(b, inMatcher); len(*s) == 0 {
		delete(d, b.id.key)
	}
}

func (d direct[Q]) match(r *Router[Q], keys []string, _ wire.RawTable) (matched bool) {
	for _, key := range keys {
		if s := d[key]; s != nil && s.all(r) {
			matched = true
		}
	}
	return matched
}

// fanout matches everything.
type fanout[Q any] struct{ set[Q] }

func (f *fanout[Q]) add(b *binding[Q])    { f.set.add(b, inMatcher) }
func (f *fanout[Q]) remove(b *binding[Q]) { f.set.remove(b, inMatcher) }

func (f *fanout[Q]) match(r *Router[Q], _ []string, _ wire.RawTable) bool { return f.all(r) }
