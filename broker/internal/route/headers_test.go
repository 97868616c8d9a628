package route

import (
	"testing"
	"time"

	"github.com/haypile/haypile/core/wire"
)

// The cases were seen to be so with RabbitMQ 3.10.
func TestHeadersMatching(t *testing.T) {
	type table = wire.Table
	decimal := func(scale uint8, v int32) wire.Decimal { return wire.Decimal{Scale: scale, Value: v} }
	for _, c := range []struct {
		name               string
		arguments, headers table
		want               bool
	}{
		{"no arguments match everything", nil, nil, true},
		{"all is the default", table{"a": 1, "b": 2}, table{"a": 1}, false},
		{"all needs every argument", table{"x-match": "all", "a": 1, "b": 2}, table{"a": 1, "b": 2, "c": 3}, true},
		{"all of none matches", table{"x-match": "all"}, table{"a": 1}, true},
		{"any needs one argument", table{"x-match": "any", "a": 1, "b": 2}, table{"b": 2}, true},
		{"any with only wrong values does not match", table{"x-match": "any", "a": 1, "b": 2}, table{"a": 2, "b": 1}, false},
		{"any of none does not match", table{"x-match": "any"}, table{"a": 1}, false},
		{"any does not match a message without headers", table{"x-match": "any", "a": 1}, nil, false},

		{"arguments with x- are passed over", table{"x-a": 1, "a": 1}, table{"a": 1}, true},
		{"also where they differ", table{"x-match": "all", "x-a": 1}, table{"x-a": 2}, true},
		{"also by any", table{"x-match": "any", "x-a": 1}, table{"x-a": 1}, false},
		{"all-with-x looks at them", table{"x-match": "all-with-x", "x-a": 1, "a": 1}, table{"a": 1}, false},
		{"all-with-x matches them", table{"x-match": "all-with-x", "x-a": 1, "a": 1}, table{"a": 1, "x-a": 1}, true},
		{"any-with-x matches them", table{"x-match": "any-with-x", "x-a": 1}, table{"x-a": 1}, true},
		{"x- is lower case", table{"X-a": 1}, table{"b": 1}, false},

		{"a void argument asks for presence", table{"a": nil}, table{"a": "z"}, true},
		{"a void argument is met by a void header", table{"a": nil}, table{"a": nil}, true},
		{"a void argument is not met by absence", table{"a": nil}, table{"b": nil}, false},
		{"a void header has no value", table{"a": "z"}, table{"a": nil}, false},

		{"integers of all sizes are equal", table{"a": int32(1)}, table{"a": int64(1)}, true},
		{"small ones too", table{"a": int8(-1)}, table{"a": int16(-1)}, true},
		{"unsigned ones are no negative ones", table{"a": uint16(65535)}, table{"a": int16(-1)}, false},
		{"unsigned ones are equal by value", table{"a": uint8(200)}, table{"a": uint32(200)}, true},
		{"integers and floats are equal", table{"a": int32(1)}, table{"a": 1.0}, true},
		{"floats and integers too", table{"a": float32(2)}, table{"a": uint16(2)}, true},
		{"but not by rounding", table{"a": int64(1<<53 + 1)}, table{"a": float64(1 << 53)}, false},
		{"floats of both sizes are equal", table{"a": float32(0.1)}, table{"a": float64(float32(0.1))}, true},
		{"timestamps are numbers", table{"a": time.Unix(5, 0)}, table{"a": 5}, true},
		{"booleans are not", table{"a": true}, table{"a": 1}, false},
		{"booleans are equal", table{"a": true}, table{"a": true}, true},
		{"strings and byte arrays are equal", table{"a": "s"}, table{"a": []byte("s")}, true},
		{"strings are case-sensitive", table{"a": "s"}, table{"a": "S"}, false},
		{"strings are no numbers", table{"a": "1"}, table{"a": 1}, false},
		{"decimals are equal", table{"a": decimal(1, 10)}, table{"a": decimal(1, 10)}, true},
		{"decimals are no integers", table{"a": decimal(0, 1)}, table{"a": 1}, false},
		{"tables are equal", table{"a": table{"b": 1, "c": "x"}}, table{"a": table{"c": "x", "b": 1}}, true},
		{"inside of tables types count", table{"a": table{"b": int32(1)}}, table{"a": table{"b": int64(1)}}, false},
		{"arrays are equal", table{"a": []any{1, "x"}}, table{"a": []any{1, "x"}}, true},
		{"inside of arrays types count", table{"a": []any{1}}, table{"a": []any{1.0}}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t, "q")
			h.bind("amq.headers", "q", "key", c.arguments)
			var want []string
			if c.want {
				want = []string{"q"}
			}
			h.reachesBy("amq.headers", []string{"other"}, c.headers, want...)
		})
	}
}

func TestLastOfEqualHeadersCounts(t *testing.T) {
	h := newHouse(t, "q")
	h.bind("amq.headers", "q", "", wire.Table{"a": 2})
	raw := append(encode(t, wire.Table{"a": 1}), encode(t, wire.Table{"a": 2})...)
	if got := h.Route(nil, "amq.headers", []string{""}, raw); len(got) != 1 {
		t.Error("the last one is passed over")
	}
	raw = append(encode(t, wire.Table{"a": 2}), encode(t, wire.Table{"a": 1})...)
	if got := h.Route(nil, "amq.headers", []string{""}, raw); len(got) != 0 {
		t.Error("the first one counts")
	}
}

func TestHeadersThatAreNotWholeDoNoHarm(t *testing.T) {
	h := newHouse(t, "q")
	h.bind("amq.headers", "q", "", wire.Table{"a": 1})
	whole := encode(t, wire.Table{"a": 1, "b": "text", "c": wire.Table{"d": 1}})
	for n := range whole {
		h.Route(nil, "amq.headers", nil, whole[:n])
		broken := append(wire.RawTable{}, whole...)
		broken[n] ^= 0xff
		h.Route(nil, "amq.headers", nil, broken)
	}
	h.Route(nil, "amq.headers", nil, wire.RawTable("\x01bS\xff\xff\xff\xff"))
	h.reachesBy("amq.headers", nil, wire.Table{"a": 1}, "q")
}

func FuzzHeaders(f *testing.F) {
	f.Add([]byte("\x01aI\x00\x00\x00\x01"))
	f.Add([]byte("\x01aS\x00\x00\x00\x01z\x01bF\x00\x00\x00\x00\x01cV"))
	f.Fuzz(func(t *testing.T, p []byte) {
		h := newHouse(t, "q")
		h.bind("amq.headers", "q", "", wire.Table{"x-match": "any", "a": nil})
		got := len(h.Route(nil, "amq.headers", nil, p)) == 1
		if _, want, err := wire.RawTable(p).Lookup("a"); err == nil && got != want {
			t.Errorf("a is in %x: %v", p, got)
		}
	})
}
