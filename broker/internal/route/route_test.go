package route

import (
	"slices"
	"testing"

	"github.com/haypile/haypile/core/wire"
)

// house is a Router whose queues are handled by their names.
type house struct {
	*Router[string]
	t testing.TB
}

func newHouse(t testing.TB, queues ...string) house {
	h := house{New[string](), t}
	for _, q := range queues {
		h.AddQueue(q, q)
	}
	return h
}

func (h house) declare(name, kind string, arguments wire.Table) {
	h.t.Helper()
	if err := h.Declare(Exchange{Name: name, Type: kind, Arguments: arguments}); err != nil {
		h.t.Fatal(err)
	}
}

func (h house) bind(source, queue, key string, arguments wire.Table) {
	h.t.Helper()
	if err := h.Bind(Binding{Source: source, Destination: queue, RoutingKey: key, Arguments: arguments}); err != nil {
		h.t.Fatal(err)
	}
}

func (h house) link(source, destination, key string) {
	h.t.Helper()
	if err := h.Bind(Binding{Source: source, Destination: destination, ToExchange: true, RoutingKey: key}); err != nil {
		h.t.Fatal(err)
	}
}

// reaches checks the queues that a message goes to, in any order.
func (h house) reaches(exchange, key string, want ...string) {
	h.t.Helper()
	h.reachesBy(exchange, []string{key}, nil, want...)
}

func (h house) reachesBy(exchange string, keys []string, headers wire.Table, want ...string) {
	h.t.Helper()
	got := h.Route(nil, exchange, keys, encode(h.t, headers))
	slices.Sort(got)
	if !slices.Equal(got, want) {
		h.t.Errorf("%q with %q and %v reaches %q, want %q", exchange, keys, headers, got, want)
	}
}

func encode(t testing.TB, headers wire.Table) wire.RawTable {
	t.Helper()
	if headers == nil {
		return nil
	}
	p, err := headers.AppendTo(nil)
	if err != nil {
		t.Fatal(err)
	}
	return p[tableSize:]
}

func TestDefaultExchangeRoutesByQueueName(t *testing.T) {
	h := newHouse(t, "a", "b")
	h.reaches("", "a", "a")
	h.reaches("", "c")
	h.reachesBy("", []string{"a", "b", "a"}, nil, "a", "b")
	h.RemoveQueue("a")
	h.reaches("", "a")
}

func TestDirectExchangeMatchesTheWholeKey(t *testing.T) {
	h := newHouse(t, "a", "b", "c")
	h.declare("x", "direct", nil)
	h.bind("x", "a", "one", nil)
	h.bind("x", "b", "one", nil)
	h.bind("x", "b", "two", nil)
	h.bind("x", "c", "#", nil)
	h.reaches("x", "one", "a", "b")
	h.reaches("x", "two", "b")
	h.reaches("x", "")
	h.reaches("x", "#", "c")
}

func TestFanoutExchangeMatchesEverything(t *testing.T) {
	h := newHouse(t, "a", "b")
	h.bind("amq.fanout", "a", "key", nil)
	h.bind("amq.fanout", "b", "", wire.Table{"x-match": "whatever"})
	h.reaches("amq.fanout", "other", "a", "b")
}

func TestQueueIsReachedOnceHoweverManyBindingsMatch(t *testing.T) {
	h := newHouse(t, "a")
	h.declare("x", "topic", nil)
	h.bind("x", "a", "#", nil)
	h.bind("x", "a", "*", nil)
	h.bind("x", "a", "one", nil)
	h.link("x", "amq.fanout", "one")
	h.bind("amq.fanout", "a", "", nil)
	h.reachesBy("x", []string{"one", "two", "one"}, nil, "a")
}

func TestKeysOfCCRouteAsTheRoutingKeyDoes(t *testing.T) {
	h := newHouse(t, "a", "b", "c")
	h.bind("amq.direct", "a", "one", nil)
	h.bind("amq.direct", "b", "two", nil)
	h.bind("amq.topic", "b", "two.*", nil)
	h.bind("amq.topic", "c", "one", nil)
	h.reachesBy("amq.direct", []string{"one", "two"}, nil, "a", "b")
	h.reachesBy("amq.topic", []string{"none", "two.x", "one"}, nil, "b", "c")
}

func TestExchangeThatDoesNotExistRoutesNowhere(t *testing.T) {
	newHouse(t, "a").reaches("none", "a")
}

func TestExchangesPassMessagesToExchanges(t *testing.T) {
	h := newHouse(t, "a", "b")
	h.declare("in", "topic", nil)
	h.declare("middle", "direct", nil)
	h.link("in", "middle", "eu.#")
	h.link("middle", "amq.fanout", "eu.one")
	h.bind("middle", "a", "eu.two", nil)
	h.bind("amq.fanout", "b", "", nil)
	h.reaches("in", "eu.one", "b")
	h.reaches("in", "eu.two", "a")
	h.reaches("in", "us.one")
}

func TestCyclesOfExchangesEnd(t *testing.T) {
	h := newHouse(t, "a", "b")
	h.declare("x", "fanout", nil)
	h.declare("y", "fanout", nil)
	h.link("x", "y", "")
	h.link("y", "x", "")
	h.link("x", "x", "")
	h.bind("x", "a", "", nil)
	h.bind("y", "b", "", nil)
	h.reaches("x", "", "a", "b")
	h.reaches("y", "", "a", "b")
}

func TestAlternateExchangeTakesWhatNothingMatched(t *testing.T) {
	other := func(name string) wire.Table { return wire.Table{"alternate-exchange": name} }
	h := newHouse(t, "a", "b", "c")
	h.declare("x", "direct", other("y"))
	h.declare("y", "direct", other("z"))
	h.declare("z", "fanout", nil)
	h.bind("x", "a", "one", nil)
	h.bind("y", "b", "two", nil)
	h.bind("z", "c", "", nil)
	h.reaches("x", "one", "a")
	h.reaches("x", "two", "b")
	h.reaches("x", "three", "c")

	t.Run("and not if an exchange matched that leads nowhere", func(t *testing.T) {
		h.declare("dead end", "direct", nil)
		h.link("x", "dead end", "four")
		h.reaches("x", "four")
	})
	t.Run("also of an exchange on the way", func(t *testing.T) {
		h.declare("front", "fanout", nil)
		h.link("front", "x", "")
		h.reaches("front", "two", "b")
	})
	t.Run("unless it does not exist, or not any longer", func(t *testing.T) {
		h.declare("lone", "direct", other("never"))
		h.reaches("lone", "two")
		h.Delete("z")
		h.reaches("x", "three")
	})
	t.Run("whatever cycle it is in", func(t *testing.T) {
		h.declare("p", "direct", other("q"))
		h.declare("q", "direct", other("p"))
		h.declare("self", "direct", other("self"))
		h.reaches("p", "two")
		h.reaches("self", "two")
	})
	t.Run("but the default exchange is none", func(t *testing.T) {
		h.declare("to default", "direct", other(""))
		h.reaches("to default", "a")
	})
}

func TestRouteAppends(t *testing.T) {
	h := newHouse(t, "a")
	if got := h.Route([]string{"before"}, "", []string{"a"}, nil); !slices.Equal(got, []string{"before", "a"}) {
		t.Error(got)
	}
}

func TestRoutingAllocatesNothing(t *testing.T) {
	h := newHouse(t, "a", "b", "c")
	h.declare("x", "topic", wire.Table{"alternate-exchange": "amq.headers"})
	h.link("x", "amq.direct", "to.#.direct")
	h.bind("x", "a", "to.*.*", nil)
	h.bind("amq.direct", "b", "to.the.direct", nil)
	h.bind("amq.headers", "c", "", wire.Table{"n": 1, "s": "text", "t": wire.Table{"in": 1}})
	headers := encode(t, wire.Table{"n": 1, "s": "text", "t": wire.Table{"in": 1}, "f": 1.5})
	keys, other := []string{"to.the.direct"}, []string{"else"}
	var queues []string
	allocs := testing.AllocsPerRun(100, func() {
		queues = h.Route(queues[:0], "x", keys, headers)
		queues = h.Route(queues, "x", other, headers)
		queues = h.Route(queues, "", other, nil)
	})
	if allocs != 0 || len(queues) != 3 {
		t.Errorf("%v allocations to reach %q", allocs, queues)
	}
}
