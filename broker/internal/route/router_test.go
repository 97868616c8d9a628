package route

import (
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/haypile/haypile/core/wire"
)

func TestVirtualHostStartsWithThePredeclaredExchanges(t *testing.T) {
	r := New[int]()
	var names []string
	for _, x := range r.Exchanges() {
		names = append(names, x.Name+" "+x.Type)
		if !x.Durable || x.AutoDelete || x.Internal != (x.Name == "amq.rabbitmq.trace") {
			t.Errorf("%+v", x)
		}
	}
	want := []string{" direct", "amq.direct direct", "amq.fanout fanout", "amq.headers headers", "amq.match headers", "amq.rabbitmq.trace topic", "amq.topic topic"}
	if !slices.Equal(names, want) {
		t.Error(names)
	}
}

func TestDeclaredExchangeIsKnownAsDeclared(t *testing.T) {
	h := newHouse(t)
	e := Exchange{Name: "x", Type: "topic", Durable: true, AutoDelete: true, Internal: true, Arguments: wire.Table{"alternate-exchange": "y"}}
	if err := h.Declare(e); err != nil {
		t.Fatal(err)
	}
	h.declare("x", "fanout", nil)
	if got, ok := h.Exchange("x"); !ok || !reflect.DeepEqual(got, e) {
		t.Errorf("%+v", got)
	}
	if _, ok := h.Exchange("y"); ok {
		t.Error("y was never declared")
	}
}

func TestBindingTwiceIsBindingOnce(t *testing.T) {
	h := newHouse(t, "q")
	h.bind("amq.direct", "q", "k", wire.Table{"a": 1})
	h.bind("amq.direct", "q", "k", wire.Table{"a": 1})
	if found, _ := h.Unbind(Binding{Source: "amq.direct", Destination: "q", RoutingKey: "k", Arguments: wire.Table{"a": 1}}); !found {
		t.Error("not found")
	}
	h.reaches("amq.direct", "k")
}

func TestBindingsDifferByEachPart(t *testing.T) {
	h := newHouse(t, "q", "other", "amq.fanout")
	b := Binding{Source: "amq.direct", Destination: "q", RoutingKey: "k", Arguments: wire.Table{"a": 1}}
	h.bind("amq.direct", "q", "k", b.Arguments)
	for name, change := range map[string]func(b *Binding){
		"source":      func(b *Binding) { b.Source = "amq.topic" },
		"destination": func(b *Binding) { b.Destination = "other" },
		"kind":        func(b *Binding) { b.ToExchange = true },
		"key":         func(b *Binding) { b.RoutingKey = "l" },
		"argument":    func(b *Binding) { b.Arguments = wire.Table{"a": 2} },
		"type":        func(b *Binding) { b.Arguments = wire.Table{"a": int64(1)} },
		"no argument": func(b *Binding) { b.Arguments = nil },
		"unencodable": func(b *Binding) { b.Arguments = wire.Table{"a": make(chan int)} },
	} {
		t.Run(name, func(t *testing.T) {
			other := b
			change(&other)
			if found, _ := h.Unbind(other); found {
				t.Error("found")
			}
		})
	}
	h.reaches("amq.direct", "k", "q")

	t.Run("and queues from exchanges of the same name", func(t *testing.T) {
		h.bind("amq.topic", "amq.fanout", "k", nil)
		h.link("amq.topic", "amq.fanout", "k")
		h.bind("amq.fanout", "q", "", nil)
		h.reaches("amq.topic", "k", "amq.fanout", "q")
	})
}

func TestDeletedExchangeTakesItsBindingsAlong(t *testing.T) {
	h := newHouse(t, "q")
	h.declare("x", "fanout", nil)
	h.link("amq.direct", "x", "k")
	h.link("x", "x", "")
	h.bind("x", "q", "", nil)
	h.reaches("amq.direct", "k", "q")
	if gone := h.Delete("x"); len(gone) != 0 {
		t.Errorf("gone as well: %q", gone)
	}
	h.declare("x", "fanout", nil)
	h.reaches("amq.direct", "k")
	h.reaches("x", "k")
	if h.InUse("amq.direct") {
		t.Error("amq.direct is in use")
	}
}

func TestExchangeIsInUseWhileBindingsLeadFromIt(t *testing.T) {
	h := newHouse(t, "q")
	h.declare("x", "fanout", nil)
	h.link("amq.direct", "x", "")
	if h.InUse("x") || h.InUse("none") {
		t.Error("in use without a binding from it")
	}
	h.bind("x", "q", "", nil)
	if !h.InUse("x") {
		t.Error("not in use with a binding")
	}
	h.RemoveQueue("q")
	if h.InUse("x") {
		t.Error("in use after the queue is gone")
	}
}

func TestAutoDeleteExchangeGoesWithItsLastBinding(t *testing.T) {
	// in -> first -> second -> q, all but in delete themselves
	build := func() house {
		h := newHouse(t, "q", "other")
		for _, name := range []string{"first", "second", "idle"} {
			if err := h.Declare(Exchange{Name: name, Type: "fanout", AutoDelete: true}); err != nil {
				t.Fatal(err)
			}
		}
		h.link("amq.direct", "first", "k")
		h.link("first", "second", "")
		h.bind("second", "q", "", nil)
		return h
	}
	both := []string{"second", "first"}
	check := func(t *testing.T, h house, got, want []string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("gone: %q, want %q", got, want)
		}
		for _, name := range want {
			if _, ok := h.Exchange(name); ok {
				t.Errorf("%s is still there", name)
			}
		}
		if _, ok := h.Exchange("idle"); !ok {
			t.Error("the one that never had a binding went as well")
		}
	}
	t.Run("when it is unbound", func(t *testing.T) {
		h := build()
		_, gone := h.Unbind(Binding{Source: "second", Destination: "q"})
		check(t, h, gone, both)
	})
	t.Run("when the queue goes", func(t *testing.T) {
		h := build()
		check(t, h, h.RemoveQueue("q"), both)
	})
	t.Run("when the exchange behind it goes", func(t *testing.T) {
		h := build()
		check(t, h, h.Delete("second"), []string{"first"})
	})
	t.Run("but not before", func(t *testing.T) {
		h := build()
		h.bind("second", "other", "", nil)
		check(t, h, h.RemoveQueue("q"), nil)
		h.reaches("amq.direct", "k", "other")
	})
	t.Run("and not when bindings to it go", func(t *testing.T) {
		h := build()
		_, gone := h.Unbind(Binding{Source: "amq.direct", Destination: "first", ToExchange: true, RoutingKey: "k"})
		check(t, h, gone, nil)
		h.reaches("first", "", "q")
	})
}

func TestDefaultExchangeCannotBeChanged(t *testing.T) {
	h := newHouse(t, "q")
	if err := h.Bind(Binding{Destination: "q", RoutingKey: "k"}); err != ErrDefault {
		t.Errorf("as source: %v", err)
	}
	if err := h.Bind(Binding{Source: "amq.direct", ToExchange: true}); err != ErrDefault {
		t.Errorf("as destination: %v", err)
	}
	if found, _ := h.Unbind(Binding{Destination: "q", RoutingKey: "q"}); found {
		t.Error("its binding was removed")
	}
	h.Delete("")
	h.reaches("", "q", "q")
}

func TestQueueThatIsAddedAgainKeepsItsBindings(t *testing.T) {
	r := New[int]()
	r.AddQueue("q", 1)
	if err := r.Bind(Binding{Source: "amq.fanout", Destination: "q"}); err != nil {
		t.Fatal(err)
	}
	r.AddQueue("q", 2)
	if got := r.Route(nil, "amq.fanout", nil, nil); !slices.Equal(got, []int{2}) {
		t.Error(got)
	}
}

func TestBindingsAreListedInOrder(t *testing.T) {
	h := newHouse(t, "b", "a")
	h.declare("x", "topic", nil)
	h.bind("x", "b", "two", nil)
	h.bind("x", "b", "one", wire.Table{"n": 2})
	h.bind("x", "b", "one", wire.Table{"n": 1})
	h.bind("x", "a", "zero", nil)
	h.link("amq.direct", "x", "")
	want := []Binding{
		{Destination: "a", RoutingKey: "a"},
		{Destination: "b", RoutingKey: "b"},
		{Source: "amq.direct", Destination: "x", ToExchange: true},
		{Source: "x", Destination: "a", RoutingKey: "zero"},
		{Source: "x", Destination: "b", RoutingKey: "one", Arguments: wire.Table{"n": 1}},
		{Source: "x", Destination: "b", RoutingKey: "one", Arguments: wire.Table{"n": 2}},
		{Source: "x", Destination: "b", RoutingKey: "two"},
	}
	if got := h.Bindings(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
}

// The texts were seen from RabbitMQ 3.10.
func TestRefusalsAreWordedAsRabbitMQs(t *testing.T) {
	h := newHouse(t, "q")
	declare := func(kind string, arguments wire.Table) error {
		return h.Declare(Exchange{Name: "x", Type: kind, Arguments: arguments})
	}
	match := func(v any) error {
		return h.Bind(Binding{Source: "amq.headers", Destination: "q", Arguments: wire.Table{"x-match": v}})
	}
	const some = "PRECONDITION_FAILED - Invalid x-match field "
	for _, c := range []struct {
		err  error
		code wire.Code
		want string
	}{
		{declare("nonsense", nil), wire.CommandInvalid, "COMMAND_INVALID - unknown exchange type 'nonsense'"},
		{declare("fanout", wire.Table{"alternate-exchange": 5}), wire.PreconditionFailed, "PRECONDITION_FAILED - invalid type 'signedint' for arg 'alternate-exchange' in exchange 'x' in vhost '/'"},
		{declare("fanout", wire.Table{"alternate-exchange": []byte("y")}), wire.PreconditionFailed, "PRECONDITION_FAILED - invalid type 'binary' for arg 'alternate-exchange' in exchange 'x' in vhost '/'"},
		{h.Bind(Binding{Source: "no", Destination: "none"}), wire.NotFound, "NOT_FOUND - no exchange 'no' in vhost '/'"},
		{h.Bind(Binding{Source: "amq.direct", Destination: "none"}), wire.NotFound, "NOT_FOUND - no queue 'none' in vhost '/'"},
		{h.Bind(Binding{Source: "amq.direct", Destination: "none", ToExchange: true}), wire.NotFound, "NOT_FOUND - no exchange 'none' in vhost '/'"},
		{h.Bind(Binding{Destination: "q"}), wire.AccessRefused, "ACCESS_REFUSED - operation not permitted on the default exchange"},
		{match("some"), wire.PreconditionFailed, some + `value <<"some">>; expected all, any, all-with-x, or any-with-x`},
		{match(`so"me`), wire.PreconditionFailed, some + `value <<"so\"me">>; expected all, any, all-with-x, or any-with-x`},
		{match("é"), wire.PreconditionFailed, some + `value <<"é">>; expected all, any, all-with-x, or any-with-x`},
		{match("\xff\x01é"), wire.PreconditionFailed, some + "value <<255,1,195,169>>; expected all, any, all-with-x, or any-with-x"},
		{match(5), wire.PreconditionFailed, some + "type signedint (value 5); expected longstr"},
		{match(true), wire.PreconditionFailed, some + "type bool (value true); expected longstr"},
		{match(nil), wire.PreconditionFailed, some + "type void (value undefined); expected longstr"},
		{match([]byte("any")), wire.PreconditionFailed, some + `type binary (value <<"any">>); expected longstr`},
		{match(1.5), wire.PreconditionFailed, some + "type double (value 1.5); expected longstr"},
		{match(time.Unix(5, 0)), wire.PreconditionFailed, some + "type timestamp (value 5); expected longstr"},
		{match(wire.Table{"a": 1}), wire.PreconditionFailed, some + `type table (value [{<<"a">>,signedint,1}]); expected longstr`},
		{match([]any{int64(1) << 40}), wire.PreconditionFailed, some + "type array (value [{long,1099511627776}]); expected longstr"},
	} {
		var refusal *Error
		if !errors.As(c.err, &refusal) || !errors.Is(c.err, c.code) || refusal.Reply("/") != c.want {
			t.Errorf("got  %v\nwant %s", c.err, c.want)
		}
	}
	if h.InUse("amq.headers") || h.InUse("amq.direct") {
		t.Error("a refused binding was added")
	}
}

func TestArgumentsThatCannotBeEncodedAreRefused(t *testing.T) {
	h := newHouse(t, "q")
	var want *wire.EncodeError
	err := h.Bind(Binding{Source: "amq.direct", Destination: "q", Arguments: wire.Table{"a": make(chan int)}})
	if !errors.As(err, &want) || h.InUse("amq.direct") {
		t.Errorf("%v", err)
	}
}
