package wire_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/haypile/haypile/core/wire"
)

// The frames of a message, and what the other side reads from them.
func Example() {
	props, err := (&wire.Properties{ContentType: "text/plain", DeliveryMode: wire.Persistent}).Encode()
	if err != nil {
		fmt.Println(err)
		return
	}
	body := []byte("hello")
	out, err := wire.AppendMethodFrame(nil, 1, &wire.BasicPublish{Exchange: "greetings", RoutingKey: "en"})
	if err != nil {
		fmt.Println(err)
		return
	}
	out = wire.AppendHeaderFrame(out, 1, wire.ClassBasic, uint64(len(body)), props)
	out = wire.AppendBody(out, 1, body, 131072)

	for len(out) > 0 {
		f, n, err := wire.ParseFrame(out, 131072)
		if err != nil || n == 0 {
			fmt.Println("broken or incomplete:", err)
			return
		}
		out = out[n:]
		switch f.Type {
		case wire.FrameMethod:
			m, err := wire.Decode(f.Payload)
			if err != nil {
				fmt.Println(err)
				return
			}
			fmt.Printf("%s %+v\n", m.ID(), m)
		case wire.FrameHeader:
			_, size, props, err := wire.ParseContentHeader(f.Payload)
			kind, _ := props.ContentType()
			fmt.Println("header:", kind, size, err)
		case wire.FrameBody:
			fmt.Printf("body: %s\n", f.Payload)
		}
	}
	// Output:
	// basic.publish &{Exchange:greetings RoutingKey:en Mandatory:false}
	// header: text/plain 5 <nil>
	// body: hello
}

// A Decoder with an Interner decodes methods without allocating.
func ExampleDecoder() {
	payload, err := (&wire.BasicDeliver{ConsumerTag: "worker", DeliveryTag: 7, RoutingKey: "jobs"}).AppendTo(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	d := wire.Decoder{Intern: &wire.Interner{}}
	var m wire.BasicDeliver // reused for each delivery
	if id, args, err := wire.ParseMethodID(payload); err == nil && id == wire.BasicDeliverID {
		fmt.Println(d.Method(args, &m), m.ConsumerTag, m.DeliveryTag, m.RoutingKey)
	}
	// Output: <nil> worker 7 jobs
}

// Headers that differ from message to message are built and encoded in memory that
// is reused, without an allocation.
func ExampleTableBuilder() {
	var headers wire.TableBuilder
	var encoded []byte
	for i, tenant := range []string{"blue", "green"} {
		headers.Reset()
		headers.Add("tenant", tenant)
		headers.Add("retries", int32(i))
		table, err := headers.Table()
		if err != nil {
			fmt.Println(err)
			return
		}
		props := wire.Properties{ContentType: "text/plain", RawHeaders: table}
		if encoded, err = props.AppendTo(encoded[:0]); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%q\n", encoded)
	}
	// Output:
	// "\xa0\x00\ntext/plain\x00\x00\x00\x1d\x06tenantS\x00\x00\x00\x04blue\aretriesI\x00\x00\x00\x00"
	// "\xa0\x00\ntext/plain\x00\x00\x00\x1e\x06tenantS\x00\x00\x00\x05green\aretriesI\x00\x00\x00\x01"
}

// Headers are read without an allocation, as long as the message is there.
func ExampleRawTable_All() {
	raw, err := (&wire.Properties{Headers: wire.Table{"tenant": "blue", "retries": 3, "when": time.Unix(0, 0)}}).Encode()
	if err != nil {
		fmt.Println(err)
		return
	}
	var tenant []byte
	var retries int64
	headers, _ := raw.Headers()
	for e, err := range headers.All() {
		if err != nil {
			fmt.Println(err)
			return
		}
		switch string(e.Key) {
		case "tenant":
			tenant, _ = e.Value.Bytes()
		case "retries":
			retries, _ = e.Value.Int64()
		default:
			v, err := e.Value.Decode() // any type, as in a Table
			fmt.Printf("%s: %v, %v\n", e.Key, v, err)
		}
	}
	fmt.Printf("tenant %s, retries %d\n", tenant, retries)
	// Output:
	// when: 1970-01-01 00:00:00 +0000 UTC, <nil>
	// tenant blue, retries 3
}

// One header is looked up without decoding the others.
func ExampleRawTable_Lookup() {
	raw, err := (&wire.Properties{Headers: wire.Table{"tenant": "blue", "retries": 3}}).Encode()
	if err != nil {
		fmt.Println(err)
		return
	}
	headers, _ := raw.Headers()
	v, ok, err := headers.Lookup("retries")
	fmt.Printf("%v (%T) %v %v\n", v, v, ok, err)
	// Output: 3 (int32) true <nil>
}

// Errors name the value that has no form on the wire.
func ExampleTable_Validate() {
	headers := wire.Table{"a": []any{1, wire.Table{"b": make(chan int)}}}
	fmt.Println(headers.Validate())
	// Output: amqp: encoding table.a[1].b is a chan int, which has no field type
}

// Reply codes are targets for errors.Is.
func ExampleCode() {
	_, err := wire.Decode([]byte("\x00\x32\x00\x0a\x00\x00\x01q\x00\x00\x00\x00\x03\x01kZ"))
	fmt.Println(err)
	fmt.Println(errors.Is(err, wire.SyntaxError), wire.SyntaxError.Hard())
	// Output:
	// amqp: decoding queue.declare: arguments at byte 11: unknown field type 'Z'
	// true true
}

// A Secret is revealed on request only.
func ExampleSecret() {
	s := wire.NewSecret("guest")
	fmt.Printf("%v %+v %s\n", s, struct{ Password wire.Secret }{s}, s.Reveal())
	// Output: [redacted] {Password:[redacted]} guest
}

// A Request names its reply, so that a generic call needs no cast.
func ExampleRequest() {
	ask(&wire.QueueDeclare{Queue: "jobs"}, func(ok *wire.QueueDeclareOk) { fmt.Println(ok.ID(), ok.Queue) })
	// Output: queue.declare-ok jobs
}

// ask stands for something that sends the request and decodes the answer.
func ask[R wire.Method](_ wire.Request[R], done func(R)) {
	answer, _ := wire.Decode([]byte("\x00\x32\x00\x0b\x04jobs\x00\x00\x00\x00\x00\x00\x00\x00"))
	done(answer.(R))
}
