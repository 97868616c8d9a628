package wire

import "testing"

var sink any

func benchTable() Table {
	return Table{"tenant": "blue", "retries": int32(3), "trace": "4bf92f3577b34da6a3ce929d0e0e4736", "sampled": true, "at": int64(1700000000)}
}

// The frames of one 256-byte message.
func BenchmarkPublish(b *testing.B) {
	method := &BasicPublish{Exchange: "orders", RoutingKey: "orders.created.eu"}
	props, _ := (&Properties{ContentType: "application/json", DeliveryMode: Persistent}).Encode()
	body := make([]byte, 256)
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = AppendMethodFrame(buf[:0], 1, method)
		buf = AppendHeaderFrame(buf, 1, ClassBasic, uint64(len(body)), props)
		buf = AppendBody(buf, 1, body, 131072)
	}
}

func BenchmarkDecodeDeliver(b *testing.B) {
	payload, _ := (&BasicDeliver{ConsumerTag: "amq.ctag-5sXh0nV2dQmE1Kt7", DeliveryTag: 9, Exchange: "orders", RoutingKey: "orders.created.eu"}).AppendTo(nil)
	d := Decoder{Intern: &Interner{}}
	var m BasicDeliver
	b.ReportAllocs()
	for b.Loop() {
		_, args, _ := ParseMethodID(payload)
		if err := d.Method(args, &m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseContentHeader(b *testing.B) {
	props, _ := (&Properties{ContentType: "application/json", DeliveryMode: Persistent, MessageID: "m-1", Headers: benchTable()}).Encode()
	frame := AppendHeaderFrame(nil, 1, ClassBasic, 256, props)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, _, err := ParseContentHeader(frame[FrameHeaderSize : len(frame)-1]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeTable(b *testing.B) {
	encoded, _ := benchTable().AppendTo(nil)
	b.ReportAllocs()
	for b.Loop() {
		t, err := RawTable(encoded[4:]).Decode(Limits{})
		if err != nil {
			b.Fatal(err)
		}
		sink = t
	}
}

func BenchmarkDecodeProperties(b *testing.B) {
	raw, _ := (&Properties{ContentType: "application/json", DeliveryMode: Persistent, Headers: benchTable()}).Encode()
	d := Decoder{Intern: &Interner{}}
	var p Properties
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Decode(raw, &d); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodePropertiesAlone(b *testing.B) {
	raw, _ := (&Properties{
		ContentType: "application/json", DeliveryMode: Persistent, MessageID: "0123456789", CorrelationID: "abcdefgh",
		AppID: "bench", Type: "order.created", ReplyTo: "replies", Headers: benchTable(),
	}).Encode()
	b.ReportAllocs()
	for b.Loop() {
		p, err := raw.Decode()
		if err != nil {
			b.Fatal(err)
		}
		sink = p.Headers
	}
}

func BenchmarkEncodeTable(b *testing.B) {
	t := benchTable()
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = t.AppendTo(buf[:0])
	}
}

// A table that is another one each time.
func BenchmarkBuildTable(b *testing.B) {
	var t TableBuilder
	var n int64 = 1700000000
	b.ReportAllocs()
	for b.Loop() {
		t.Reset()
		t.Add("tenant", "blue")
		t.Add("retries", int32(n))
		t.Add("trace", "4bf92f3577b34da6a3ce929d0e0e4736")
		t.Add("sampled", n&1 == 0)
		t.Add("at", n)
		if _, err := t.Table(); err != nil {
			b.Fatal(err)
		}
		n++
	}
}

// The same as a map.
func BenchmarkBuildMap(b *testing.B) {
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = benchTable().AppendTo(buf[:0])
	}
}

func BenchmarkReadTable(b *testing.B) {
	encoded, _ := benchTable().AppendTo(nil)
	raw := RawTable(encoded[4:])
	b.ReportAllocs()
	for b.Loop() {
		var tenant, trace []byte
		var retries, at int64
		var sampled bool
		for e, err := range raw.All() {
			if err != nil {
				b.Fatal(err)
			}
			switch string(e.Key) {
			case "tenant":
				tenant, _ = e.Value.Bytes()
			case "trace":
				trace, _ = e.Value.Bytes()
			case "retries":
				retries, _ = e.Value.Int64()
			case "at":
				at, _ = e.Value.Int64()
			case "sampled":
				sampled, _ = e.Value.Bool()
			}
		}
		if len(tenant)+len(trace) != 36 || retries != 3 || at != 1700000000 || !sampled {
			b.Fatal(string(tenant), string(trace), retries, at, sampled)
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	raw, _ := (&Properties{ContentType: "application/json", Headers: benchTable()}).Encode()
	b.ReportAllocs()
	for b.Loop() {
		headers, _ := raw.Headers()
		if v, ok, err := headers.Lookup("sampled"); v != true || !ok || err != nil {
			b.Fatal(v, ok, err)
		}
	}
}

func BenchmarkIntern(b *testing.B) {
	var in Interner
	p := []byte("orders.created.eu.01")
	b.ReportAllocs()
	for b.Loop() {
		in.String(p)
	}
}
