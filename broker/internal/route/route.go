package route

import "github.com/haypile/haypile/core/wire"

// Route appends to dst the queues that a message goes to when it is published to
// the exchange, each once and in no particular order, and allocates nothing once
// its own buffers have grown. keys are the routing key and those of the headers CC
// and BCC; headers are the message's, well-formed as core checks them, and nil if
// it has none. An exchange that does not exist routes nowhere.
func (r *Router[Q]) Route(dst []Q, exchange string, keys []string, headers wire.RawTable) []Q {
	w := &r.walk
	w.round++
	if exchange == "" {
		r.toQueues(keys)
	} else if x := r.exchanges[exchange]; x != nil {
		w.reach(&x.end)
		r.follow(keys, headers)
	}
	for _, e := range w.queues {
		q, _ := e.queue.(Q)
		dst = append(dst, q)
	}
	w.reset()
	return dst
}

// toQueues is the default exchange, to which every queue is bound by its name.
func (r *Router[Q]) toQueues(keys []string) {
	for _, key := range keys {
		if e := r.queues[key]; e != nil {
			r.walk.reach(e)
		}
	}
}

// follow passes the message through all exchanges that it reaches.
func (r *Router[Q]) follow(keys []string, headers wire.RawTable) {
	w := &r.walk
	for i := 0; i < len(w.exchanges); i++ {
		x := w.exchanges[i]
		if x.matcher.match(w, keys, headers) {
			continue
		}
		if other := r.exchanges[x.alternate]; other != nil {
			w.reach(&other.end)
		}
	}
}

// walk is one message's way through the exchanges. It is kept for the next
// message, so that its slices need not grow again.
type walk struct {
	round     uint64
	queues    []*end      // reached
	exchanges []*exchange // reached, in the order in which they get the message
	fields    fields      // of the headers, once an exchange has asked for them
}

// reach takes note of a queue or exchange that the message goes to.
func (w *walk) reach(e *end) {
	switch {
	case e.round == w.round:
		return
	case e.exchange != nil:
		w.exchanges = append(w.exchanges, e.exchange)
	default:
		w.queues = append(w.queues, e)
	}
	e.round = w.round
}

// reachAll reaches the end of every binding and reports whether there are any.
func (w *walk) reachAll(s set) bool {
	for _, b := range s {
		w.reach(b.to)
	}
	return len(s) > 0
}

// reset lets go of all that was reached, which may be deleted by the next time.
func (w *walk) reset() {
	clear(w.queues)
	clear(w.exchanges)
	w.queues, w.exchanges = w.queues[:0], w.exchanges[:0]
	w.fields.reset()
}

// direct matches one of the message's keys with the whole of a binding's. As an
// alternate exchange, the default exchange is one without bindings.
type direct map[string]*set

func (d direct) add(b *binding) {
	s := d[b.id.key]
	if s == nil {
		s = new(set)
		d[b.id.key] = s
	}
	s.add(b, inMatcher)
}

func (d direct) remove(b *binding) {
	s := d[b.id.key]
	if s.remove(b, inMatcher); len(*s) == 0 {
		delete(d, b.id.key)
	}
}

func (d direct) match(w *walk, keys []string, _ wire.RawTable) (matched bool) {
	for _, key := range keys {
		if s := d[key]; s != nil && w.reachAll(*s) {
			matched = true
		}
	}
	return matched
}

// fanout matches everything.
type fanout struct{ set }

func (f *fanout) add(b *binding)    { f.set.add(b, inMatcher) }
func (f *fanout) remove(b *binding) { f.set.remove(b, inMatcher) }

func (f *fanout) match(w *walk, _ []string, _ wire.RawTable) bool { return w.reachAll(f.set) }
