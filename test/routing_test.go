package test

import (
	"slices"
	"testing"

	"github.com/haypile/haypile/adapters/blocking"
)

// exchange declares an exchange that goes away with its bindings, or at the end
// of the test.
func exchange(t *testing.T, ch *blocking.Channel, kind string, args blocking.Table) string {
	t.Helper()
	name := unique(t)
	if err := ch.ExchangeDeclare(testContext(t), &blocking.ExchangeDeclare{Exchange: name, Type: kind, AutoDelete: true, Arguments: args}); err != nil {
		t.Fatal(err)
	}
	return name
}

// headersOf are the message's headers.
func headersOf(t *testing.T, d *blocking.Delivery) blocking.Table {
	t.Helper()
	p, err := d.Properties.Decode()
	if err != nil {
		t.Fatal(err)
	}
	return p.Headers
}

func TestExchangeBoundToAnotherPassesMessagesOn(t *testing.T) {
	ch := channel(t, dial(t, ""))
	ctx := testContext(t)
	from, to := exchange(t, ch, "topic", nil), exchange(t, ch, "fanout", nil)
	bind := &blocking.ExchangeBind{Destination: to, Source: from, RoutingKey: "eu.#"}
	if err := ch.ExchangeBind(ctx, bind); err != nil {
		t.Fatal(err)
	}
	q := queue(t, ch)
	for _, x := range []string{from, to} { // both must outlive the unbind below
		if err := ch.QueueBind(ctx, &blocking.QueueBind{Queue: q, Exchange: x, RoutingKey: "none"}); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, ch, &blocking.Publishing{Exchange: from, RoutingKey: "us.one"}, &blocking.Publishing{Exchange: from, RoutingKey: "eu.two"})
	if d := fetch(t, ch, q); d.RoutingKey != "eu.two" || d.Exchange != from {
		t.Errorf("came with %s from %s", d.RoutingKey, d.Exchange)
	}
	if err := ch.ExchangeUnbind(ctx, &blocking.ExchangeUnbind{Destination: to, Source: from, RoutingKey: "eu.#"}); err != nil {
		t.Fatal(err)
	}
	publish(t, ch, &blocking.Publishing{Exchange: from, RoutingKey: "eu.three"})
	if n := ready(t, ch, q); n != 0 {
		t.Errorf("%d messages passed after the unbind", n)
	}
}

func TestAlternateExchangeTakesWhatIsUnroutable(t *testing.T) {
	ch := channel(t, dial(t, ""))
	rest := exchange(t, ch, "fanout", nil)
	main := exchange(t, ch, "direct", blocking.Table{"alternate-exchange": rest})
	q := queue(t, ch)
	if err := ch.QueueBind(testContext(t), &blocking.QueueBind{Queue: q, Exchange: rest}); err != nil {
		t.Fatal(err)
	}
	// It counts as routed: the mandatory message does not come back.
	publish(t, ch, &blocking.Publishing{Exchange: main, RoutingKey: "unbound", Mandatory: true, Body: []byte("kept")})
	if d := fetch(t, ch, q); string(d.Body) != "kept" || d.Exchange != main || d.RoutingKey != "unbound" {
		t.Errorf("the alternate exchange got %+v", d)
	}
}

func TestHeadersExchangeMatchesTypedValues(t *testing.T) {
	ch := channel(t, dial(t, ""))
	headers := exchange(t, ch, "headers", nil)
	q := queue(t, ch)
	err := ch.QueueBind(testContext(t), &blocking.QueueBind{Queue: q, Exchange: headers, Arguments: blocking.Table{"x-match": "all", "n": 7, "ok": true}})
	if err != nil {
		t.Fatal(err)
	}
	for body, h := range map[string]blocking.Table{"match": {"n": 7, "ok": true, "more": "x"}, "another": {"n": 8, "ok": true}, "less": {"n": 7}} {
		publish(t, ch, &blocking.Publishing{Exchange: headers, Body: []byte(body), Properties: &blocking.Properties{Headers: h}})
	}
	if d := fetch(t, ch, q); string(d.Body) != "match" {
		t.Errorf("%s was routed", d.Body)
	}
	if n := ready(t, ch, q); n != 0 {
		t.Errorf("%d messages more were routed", n)
	}
}

func TestSenderSelectsFurtherQueues(t *testing.T) {
	ch := channel(t, dial(t, ""))
	to, cc, bcc := queue(t, ch), queue(t, ch), queue(t, ch)
	publish(t, ch, &blocking.Publishing{RoutingKey: to, Properties: &blocking.Properties{
		Headers: blocking.Table{"CC": []any{cc}, "BCC": []any{bcc}},
	}})
	for _, q := range []string{to, cc, bcc} {
		h := headersOf(t, fetch(t, ch, q))
		if list, _ := h["CC"].([]any); !slices.Equal(list, []any{cc}) {
			t.Errorf("CC came as %v", h["CC"])
		}
		if _, has := h["BCC"]; has {
			t.Errorf("BCC was told: %v", h)
		}
	}
}
