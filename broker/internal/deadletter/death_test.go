package deadletter

import (
	"reflect"
	"testing"
	"time"

	"github.com/haypile/haypile/broker/internal/queue"
	"github.com/haypile/haypile/core/wire"
)

var at = time.Unix(1700000000, 0).UTC()

func encode(t *testing.T, p wire.Properties) wire.RawProperties {
	t.Helper()
	raw, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func record(t *testing.T, raw wire.RawProperties, d Death) wire.RawProperties {
	t.Helper()
	d.Time = at
	out, err := Record(raw, d)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func headersOf(t *testing.T, raw wire.RawProperties) wire.Table {
	t.Helper()
	p, err := raw.Decode()
	if err != nil {
		t.Fatal(err)
	}
	return p.Headers
}

func expect(t *testing.T, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func entry(name, reason string, count int64, more ...any) wire.Table {
	e := wire.Table{
		"count": count, "queue": name, "reason": reason, "time": at,
		"exchange": "", "routing-keys": []any{name},
	}
	for i := 0; i < len(more); i += 2 {
		e[more[i].(string)] = more[i+1]
	}
	return e
}

func TestFirstDeathHasHeadersOfItsOwn(t *testing.T) {
	raw := encode(t, wire.Properties{
		Expiration: "100000", MessageID: "m",
		Headers: wire.Table{"CC": []any{"copy"}, "a": int32(1)},
	})
	got := record(t, raw, Death{Queue: "jobs", Reason: queue.Rejected, Exchange: "work", RoutingKey: "new"})
	expect(t, headersOf(t, got), wire.Table{
		"CC": []any{"copy"}, "a": int32(1),
		"x-first-death-reason":   "rejected",
		"x-first-death-queue":    "jobs",
		"x-first-death-exchange": "work",
		"x-death": []any{entry("jobs", "rejected", 1, "exchange", "work",
			"routing-keys", []any{"new", "copy"}, "original-expiration", "100000")},
	})
	if _, ok := got.Expiration(); ok {
		t.Error("the dead letter still expires")
	}
	if id, _ := got.MessageID(); id != "m" {
		t.Errorf("the message id became %q", id)
	}
	if v, _ := raw.Expiration(); v != "100000" {
		t.Error("the original was changed")
	}
}

func TestDeadLetterRoutingKeyTakesTheCopiesAway(t *testing.T) {
	raw := encode(t, wire.Properties{Headers: wire.Table{"CC": []any{"copy"}}})
	headers := headersOf(t, record(t, raw, Death{Queue: "jobs", Reason: queue.Expired, RoutingKey: "jobs", Rerouted: true}))
	if _, ok := headers["CC"]; ok {
		t.Error("CC is still there")
	}
	expect(t, headers["x-death"], []any{entry("jobs", "expired", 1, "routing-keys", []any{"jobs", "copy"})})
}

// The orders are what RabbitMQ 3.10.8 and the documentation of 4 show.
func TestRepeatedDeathMovesToTheFrontWithItsCount(t *testing.T) {
	rounds := []string{"c1", "c2", "c3", "c4", "c5", "c1"}
	for name, tt := range map[string]struct {
		modern bool
		want   []string
	}{
		"as RabbitMQ 3.10":      {false, []string{"c1", "c4", "c2", "c3", "c5"}},
		"in the order of death": {true, []string{"c1", "c5", "c4", "c3", "c2"}},
	} {
		t.Run(name, func(t *testing.T) {
			var raw wire.RawProperties
			for _, q := range rounds {
				raw = record(t, raw, Death{Queue: q, Reason: queue.Rejected, RoutingKey: q, Last: tt.modern})
			}
			var want []any
			for i, q := range tt.want {
				count := int64(1)
				if i == 0 {
					count = 2
				}
				want = append(want, entry(q, "rejected", count))
			}
			headers := headersOf(t, raw)
			expect(t, headers["x-death"], want)
			expect(t, headers["x-first-death-queue"], any("c1"))
		})
	}
}

func TestAnotherReasonIsAnotherEntry(t *testing.T) {
	raw := record(t, nil, Death{Queue: "q", Reason: queue.Rejected, RoutingKey: "q"})
	raw = record(t, raw, Death{Queue: "q", Reason: queue.MaxLength, RoutingKey: "q", Last: true})
	headers := headersOf(t, raw)
	expect(t, headers["x-death"], []any{entry("q", "maxlen", 1), entry("q", "rejected", 1)})
	expect(t, headers["x-first-death-reason"], any("rejected"))
	expect(t, headers["x-last-death-reason"], any("maxlen"))
}

func TestWhatClientsWriteIntoTheHeader(t *testing.T) {
	mine := func(v any) wire.RawProperties {
		return encode(t, wire.Properties{Headers: wire.Table{"x-death": v}})
	}
	for name, tt := range map[string]struct {
		before any
		want   []any
	}{
		"a string is replaced":         {"what", []any{entry("q", "rejected", 1)}},
		"odd elements are left out":    {[]any{"what", int32(1)}, []any{entry("q", "rejected", 1)}},
		"an entry without count has 1": {[]any{wire.Table{"queue": "q", "reason": "rejected"}}, []any{wire.Table{"queue": "q", "reason": "rejected", "count": int64(2)}}},
		"duplicates count as many": {
			[]any{
				wire.Table{"queue": "q", "reason": "rejected"},
				wire.Table{"queue": "q", "reason": "rejected", "count": int32(5)},
				wire.Table{"queue": "other", "reason": "rejected"},
			},
			[]any{
				wire.Table{"queue": "q", "reason": "rejected", "count": int64(3)},
				wire.Table{"queue": "other", "reason": "rejected", "count": int64(1)},
			},
		},
		"values of other types are no match": {
			[]any{wire.Table{"queue": []any{"q"}, "reason": []byte("rejected"), "count": "x"}},
			[]any{entry("q", "rejected", 1), wire.Table{"queue": []any{"q"}, "reason": []byte("rejected"), "count": int64(1)}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := record(t, mine(tt.before), Death{Queue: "q", Reason: queue.Rejected, RoutingKey: "q"})
			headers := headersOf(t, got)
			expect(t, headers["x-death"], tt.want)
			if _, ok := headers["x-first-death-queue"]; ok {
				t.Error("a message with an x-death header is not at its first death")
			}
		})
	}
}

func TestErrorsAreTyped(t *testing.T) {
	_, err := Record(wire.RawProperties{0xff}, Death{})
	if _, ok := err.(*wire.DecodeError); !ok {
		t.Errorf("got %T", err)
	}
}

func TestCycle(t *testing.T) {
	deaths := func(pairs ...string) wire.RawProperties {
		var array []any
		for i := 0; i < len(pairs); i += 2 {
			array = append(array, wire.Table{"queue": pairs[i], "reason": pairs[i+1]})
		}
		return encode(t, wire.Properties{Headers: wire.Table{"x-death": array}})
	}
	for name, tt := range map[string]struct {
		raw  wire.RawProperties
		want bool
	}{
		"no header":                        {nil, false},
		"a header of another type":         {encode(t, wire.Properties{Headers: wire.Table{"x-death": "q"}}), false},
		"back by expiry":                   {deaths("q", "expired"), true},
		"back by expiry in two queues":     {deaths("b", "maxlen", "q", "expired"), true},
		"was never here":                   {deaths("b", "maxlen", "c", "expired"), false},
		"rejected on the way":              {deaths("b", "rejected", "q", "expired"), false},
		"rejected here":                    {deaths("q", "rejected"), false},
		"rejected before it was here last": {deaths("q", "expired", "b", "rejected"), true},
		"something strange on the way":     {encode(t, wire.Properties{Headers: wire.Table{"x-death": []any{"b", wire.Table{"queue": "q"}}}}), false},
	} {
		t.Run(name, func(t *testing.T) { expect(t, Cycle(tt.raw, "q"), tt.want) })
	}
}
