package route

import (
	"fmt"
	"testing"

	"github.com/haypile/haypile/core/wire"
)

const many = 10_000

func benchmark(b *testing.B, h house, exchange string, headers wire.RawTable, keys ...string) {
	one := make([]string, 1)
	var queues []string
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		one[0] = keys[i%len(keys)]
		queues = h.Route(queues[:0], exchange, one, headers)
	}
	if len(queues) == 0 {
		b.Fatal("nothing was reached")
	}
}

// crowd is one queue per binding of one exchange.
func crowd(b *testing.B, exchange string, key func(i int) (string, wire.Table)) house {
	h := newHouse(b)
	for i := range many {
		q := fmt.Sprint("q", i)
		h.AddQueue(q, q)
		k, arguments := key(i)
		h.bind(exchange, q, k, arguments)
	}
	return h
}

// BenchmarkTopic routes among 10,000 patterns, of which a key matches two or
// three.
func BenchmarkTopic(b *testing.B) {
	h := crowd(b, "amq.topic", func(i int) (string, wire.Table) {
		switch i % 4 {
		case 0:
			return fmt.Sprintf("shop.%d.order.%d", i%100, i), nil
		case 1:
			return fmt.Sprintf("shop.*.order.%d", i-1), nil
		case 2:
			return fmt.Sprintf("shop.#.%d", i-2), nil
		}
		return fmt.Sprintf("*.%d.#.paid", i), nil
	})
	keys := make([]string, 256)
	for i := range keys {
		n := i * 36
		keys[i] = fmt.Sprintf("shop.%d.order.%d", n%100, n)
	}
	benchmark(b, h, "amq.topic", nil, keys...)
}

func BenchmarkDirect(b *testing.B) {
	h := crowd(b, "amq.direct", func(i int) (string, wire.Table) { return fmt.Sprint("key.", i), nil })
	benchmark(b, h, "amq.direct", nil, "key.17", "key.9000", "key.4242")
}

func BenchmarkDefault(b *testing.B) {
	h := crowd(b, "amq.direct", func(int) (string, wire.Table) { return "", nil })
	benchmark(b, h, "", nil, "q17", "q9000", "q4242")
}

// BenchmarkHeaders looks at every one of 10,000 bindings.
func BenchmarkHeaders(b *testing.B) {
	h := crowd(b, "amq.headers", func(i int) (string, wire.Table) {
		return "", wire.Table{"customer": i, "kind": "order"}
	})
	benchmark(b, h, "amq.headers", encode(b, wire.Table{"customer": 4242, "kind": "order", "sum": 1.5}), "")
}

// BenchmarkUnbind binds to and unbinds from an exchange with 10,000 bindings.
func BenchmarkUnbind(b *testing.B) {
	h := crowd(b, "amq.topic", func(i int) (string, wire.Table) { return fmt.Sprintf("a.%d.*", i), nil })
	binding := Binding{Source: "amq.topic", Destination: "q17", RoutingKey: "one.more"}
	for b.Loop() {
		h.bind(binding.Source, binding.Destination, binding.RoutingKey, nil)
		if found, _ := h.Unbind(binding); !found {
			b.Fatal("not found")
		}
	}
}
