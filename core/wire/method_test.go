package wire

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// everyMethod is a zero struct of each method, in the order of the ids.
func everyMethod() []Method {
	var all []Method
	for class := range 100 {
		for number := range 130 {
			if m := NewMethod(MethodID(class<<16 | number)); m != nil {
				all = append(all, m)
			}
		}
	}
	return all
}

// fill sets every field of a method to something that differs from field to
// field.
func fill(t *testing.T, m Method) {
	v := reflect.ValueOf(m).Elem()
	for i := range v.NumField() {
		name, f := v.Type().Field(i).Name, v.Field(i)
		switch p := f.Addr().Interface().(type) {
		case *bool:
			*p = true
		case *uint8:
			*p = uint8(200 + i)
		case *uint16:
			*p = uint16(50000 + i)
		case *uint32:
			*p = 4_000_000_000 + uint32(i)
		case *uint64:
			*p = 1<<63 + uint64(i)
		case *string:
			*p = name
		case *[]byte:
			*p = []byte(name)
		case *Secret:
			*p = NewSecret(name)
		case *Code:
			*p = NotFound
		case *MethodID:
			*p = QueueBindID
		case *Table:
			*p = everyType()
		default:
			t.Fatalf("%s.%s has a type unknown to this test", m.ID(), name)
		}
	}
}

func encode(t testing.TB, m Method) []byte {
	t.Helper()
	payload, err := m.AppendTo(nil)
	if err != nil {
		t.Fatalf("%s: %v", m.ID(), err)
	}
	return payload
}

func TestEveryMethodSurvivesARoundTrip(t *testing.T) {
	for _, m := range everyMethod() {
		for _, filled := range []bool{false, true} {
			if filled {
				fill(t, m)
			}
			payload := encode(t, m)
			got, err := Decode(payload)
			if err != nil || !reflect.DeepEqual(got, m) {
				t.Errorf("%s: sent %+v, got %+v, %v", m.ID(), m, got, err)
			}
			if id, _, _ := ParseMethodID(payload); id != m.ID() {
				t.Errorf("%s carries the id %s", m.ID(), id)
			}
		}
	}
}

// Bits set alone catch fields that share a place in their octet.
func TestEveryBitHasAPlaceOfItsOwn(t *testing.T) {
	for _, m := range everyMethod() {
		v := reflect.ValueOf(m).Elem()
		for i := range v.NumField() {
			if v.Field(i).Kind() != reflect.Bool {
				continue
			}
			v.Field(i).SetBool(true)
			if got, err := Decode(encode(t, m)); err != nil || !reflect.DeepEqual(got, m) {
				t.Errorf("%s with %s: got %+v, %v", m.ID(), v.Type().Field(i).Name, got, err)
			}
			v.Field(i).SetBool(false)
		}
	}
}

func TestMethodsHaveTheBytesOfTheSpecification(t *testing.T) {
	tests := []struct {
		m    Method
		want string
	}{
		{&ConnectionTune{ChannelMax: 2047, FrameMax: 131072, Heartbeat: 60}, "\x00\x0a\x00\x1e\x07\xff\x00\x02\x00\x00\x00\x3c"},
		{&ConnectionOpen{VirtualHost: "/"}, "\x00\x0a\x00\x28\x01/\x00\x00"},
		{&ConnectionSecureOk{Response: NewSecret("pw")}, "\x00\x0a\x00\x15\x00\x00\x00\x02pw"},
		{&ConnectionClose{ReplyCode: NotAllowed, ReplyText: "no", Cause: BasicConsumeID}, "\x00\x0a\x00\x32\x02\x12\x02no\x00\x3c\x00\x14"},
		{&ChannelOpenOk{}, "\x00\x14\x00\x0b\x00\x00\x00\x00"},
		{&ExchangeUnbindOk{}, "\x00\x28\x00\x33"},
		{&ExchangeDeclare{Exchange: "e", Type: "topic", Durable: true, NoWait: true}, "\x00\x28\x00\x0a\x00\x00\x01e\x05topic\x12\x00\x00\x00\x00"},
		{&QueueDeclare{Queue: "q", Passive: true, AutoDelete: true, Arguments: Table{"a": true}}, "\x00\x32\x00\x0a\x00\x00\x01q\x09\x00\x00\x00\x04\x01at\x01"},
		{&BasicQos{PrefetchCount: 10, Global: true}, "\x00\x3c\x00\x0a\x00\x00\x00\x00\x00\x0a\x01"},
		{&BasicPublish{Exchange: "e", RoutingKey: "k", Mandatory: true}, "\x00\x3c\x00\x28\x00\x00\x01e\x01k\x01"},
		{&BasicNack{DeliveryTag: 258, Multiple: true, Requeue: true}, "\x00\x3c\x00\x78\x00\x00\x00\x00\x00\x00\x01\x02\x03"},
		{&ConfirmSelect{NoWait: true}, "\x00\x55\x00\x0a\x01"},
		{&TxRollbackOk{}, "\x00\x5a\x00\x1f"},
	}
	for _, test := range tests {
		if got := encode(t, test.m); string(got) != test.want {
			t.Errorf("%s: %q, want %q", test.m.ID(), got, test.want)
		}
	}
}

func TestATruncatedMethodIsAnErrorThatNamesIt(t *testing.T) {
	for _, m := range everyMethod() {
		fill(t, m)
		payload := encode(t, m)
		for n := range len(payload) {
			_, err := Decode(payload[:n])
			var fault *DecodeError
			if !errors.As(err, &fault) {
				t.Fatalf("%s cut to %d bytes: %v", m.ID(), n, err)
			}
			if n >= 4 && (fault.Method != m.ID() || fault.Offset > n-4 || fault.Field == "" || !errors.Is(err, SyntaxError)) {
				t.Errorf("%s cut to %d bytes: %+v", m.ID(), n, fault)
			}
		}
	}
}

func TestBytesLeftOverAreAnError(t *testing.T) {
	for _, m := range everyMethod() {
		payload := append(encode(t, m), 0)
		if _, err := Decode(payload); !errors.Is(err, SyntaxError) || !strings.Contains(err.Error(), "1 bytes are left over") {
			t.Errorf("%s: %v", m.ID(), err)
		}
	}
}

func TestAnUnknownMethodIsNotImplemented(t *testing.T) {
	_, err := Decode([]byte{0, 50, 0, 99})
	if !errors.Is(err, NotImplemented) {
		t.Error(err)
	}
	var d Decoder
	if err := d.Method(nil, NewMethod(50<<16|99)); !errors.Is(err, NotImplemented) {
		t.Error(err)
	}
}

func TestDecodingOverwritesEveryField(t *testing.T) {
	var d Decoder
	for _, m := range everyMethod() {
		empty := encode(t, m)
		fill(t, m)
		if err := d.Method(empty[4:], m); err != nil || !reflect.DeepEqual(m, NewMethod(m.ID())) {
			t.Errorf("%+v, %v", m, err)
		}
	}
}

func TestADecodedMethodSharesNoMemoryWithItsInput(t *testing.T) {
	d := Decoder{Intern: &Interner{}}
	for _, m := range everyMethod() {
		fill(t, m)
		payload := encode(t, m)
		got := NewMethod(m.ID())
		if err := d.Method(payload[4:], got); err != nil {
			t.Fatal(err)
		}
		clear(payload)
		if !reflect.DeepEqual(got, m) {
			t.Errorf("%s changed with its input: %+v", m.ID(), got)
		}
	}
}

func TestAnEncodeErrorLeavesTheBufferAsItWas(t *testing.T) {
	long := strings.Repeat("x", 300)
	tests := []struct {
		m    Method
		text string
	}{
		{&BasicPublish{RoutingKey: long}, "amqp: encoding basic.publish: routing-key is 300 bytes, the limit is 255"},
		{&BasicPublish{Exchange: long, RoutingKey: long}, "amqp: encoding basic.publish: exchange is 300 bytes, the limit is 255"},
		{&QueueDeclare{Arguments: Table{"x": make(chan int)}}, "amqp: encoding queue.declare: arguments.x is a chan int, which has no field type"},
		{&QueueDeclare{Arguments: Table{long: 1}}, "amqp: encoding queue.declare: arguments has a key of 300 bytes, the limit is 255"},
		{&QueueBind{Queue: long, Arguments: Table{"x": make(chan int)}}, "amqp: encoding queue.bind: queue is 300 bytes, the limit is 255"},
	}
	for _, test := range tests {
		for _, f := range []func([]byte) ([]byte, error){
			test.m.AppendTo,
			func(dst []byte) ([]byte, error) { return AppendMethodFrame(dst, 1, test.m) },
		} {
			got, err := f([]byte("before"))
			var fault *EncodeError
			if !errors.As(err, &fault) || fault.Method != test.m.ID() || err.Error() != test.text {
				t.Errorf("%v, want %s", err, test.text)
			}
			if string(got) != "before" {
				t.Errorf("%s left %q", test.m.ID(), got)
			}
		}
	}
}

func TestAMethodKnowsItsNameAndItsSenders(t *testing.T) {
	tests := []struct {
		id                      MethodID
		name                    string
		server, client, content bool
	}{
		{QueueDeclareOkID, "queue.declare-ok", true, false, false},
		{QueueDeclareID, "queue.declare", false, true, false},
		{ChannelCloseID, "channel.close", true, true, false},
		{ConnectionUpdateSecretID, "connection.update-secret", false, true, false},
		{ConnectionBlockedID, "connection.blocked", true, false, false},
		{BasicPublishID, "basic.publish", false, true, true},
		{BasicReturnID, "basic.return", true, false, true},
		{BasicDeliverID, "basic.deliver", true, false, true},
		{BasicGetOkID, "basic.get-ok", true, false, true},
		{BasicAckID, "basic.ack", true, true, false},
		{BasicNackID, "basic.nack", true, true, false},
		{BasicCancelID, "basic.cancel", true, true, false},
		{50<<16 | 99, "method(50,99)", false, false, false},
		{0, "none", false, false, false},
	}
	for _, test := range tests {
		id := test.id
		if id.String() != test.name || id.FromServer() != test.server || id.FromClient() != test.client || id.HasContent() != test.content {
			t.Errorf("%s: server %v, client %v, content %v", id, id.FromServer(), id.FromClient(), id.HasContent())
		}
		if id.Known() != (test.server || test.client) {
			t.Errorf("%s: Known is %v", id, id.Known())
		}
	}
	if id := BasicRecoverAsyncID; id.Class() != ClassBasic || id.Method() != 100 {
		t.Error(id.Class(), id.Method())
	}
}

// call is what a user of Request writes: R comes from the argument alone.
func call[R Method](req Request[R], done func(R, error)) { done(req.NewReply(), nil) }

func TestARequestTellsTheTypeOfItsReply(t *testing.T) {
	got := ""
	call(&QueueDeclare{}, func(ok *QueueDeclareOk, _ error) { got = ok.Queue + ok.ID().String() })
	call(&ConnectionUpdateSecret{}, func(ok *ConnectionUpdateSecretOk, _ error) { got += " " + ok.ID().String() })
	if got != "queue.declare-ok connection.update-secret-ok" {
		t.Error(got)
	}
}

func TestEveryRequestIsAnsweredByTheOkOfItsName(t *testing.T) {
	requests := 0
	for _, m := range everyMethod() {
		reply, ok := reflect.TypeOf(m).MethodByName("NewReply")
		if !ok {
			continue
		}
		requests++
		if onNil := reply.Func.Call([]reflect.Value{reflect.Zero(reflect.TypeOf(m))})[0]; onNil.IsNil() {
			t.Errorf("%s makes no reply", m.ID())
		}
		if want := reflect.TypeOf(NewMethod(m.ID() + 1)); m.ID() != ExchangeUnbindID && reply.Type.Out(0) != want {
			t.Errorf("%s is answered by %s", m.ID(), reply.Type.Out(0))
		}
	}
	if requests != 24 {
		t.Errorf("%d requests", requests)
	}
	if (*ExchangeUnbind)(nil).NewReply().ID() != ExchangeUnbindOkID {
		t.Error("exchange.unbind")
	}
}

func TestInternedStringsAreShared(t *testing.T) {
	payload := encode(t, &BasicDeliver{ConsumerTag: "tag", Exchange: "exchange", RoutingKey: "key"})
	d := Decoder{Intern: &Interner{}}
	var m BasicDeliver
	if n := testing.AllocsPerRun(100, func() {
		if err := d.Method(payload[4:], &m); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for a delivery", n)
	}
	if m.ConsumerTag != "tag" || m.Exchange != "exchange" || m.RoutingKey != "key" {
		t.Errorf("%+v", m)
	}
}

func TestTheInternerReturnsWhatItWasGiven(t *testing.T) {
	var in Interner
	for round := range 3 {
		for n := range 400 {
			for _, p := range [][]byte{bytes.Repeat([]byte{'x'}, n), []byte(fmt.Sprint("key.", n, ".", round))} {
				if got := in.String(p); got != string(p) {
					t.Fatalf("%q for %q", got, p)
				}
			}
		}
	}
	long := bytes.Repeat([]byte{'y'}, internLongest+1)
	if in.String(long); testing.AllocsPerRun(10, func() { in.String(long) }) == 0 {
		t.Error("a string of 256 bytes was kept")
	}
}

func TestTwoStringsThatShareAPlaceAreBothKept(t *testing.T) {
	first := []byte("orders.0")
	second := first
	for n := 1; bytes.Equal(first, second); n++ {
		if p := fmt.Append(nil, "orders.", n); internHash(p)%internSets == internHash(first)%internSets {
			second = p
		}
	}
	var in Interner
	in.String(first)
	in.String(second)
	if n := testing.AllocsPerRun(100, func() { in.String(first); in.String(second) }); n != 0 {
		t.Errorf("%v allocations for %s and %s in turn", n, first, second)
	}
}

func everyType() Table {
	return Table{
		"t": true, "b": int8(-8), "B": uint8(200), "s": int16(-300), "u": uint16(60000),
		"I": int32(-70000), "i": uint32(4_000_000_000), "l": int64(-1 << 62), "f": float32(1.5), "d": 2.25,
		"D": Decimal{Scale: 2, Value: -12300}, "S": "text \xff", "x": []byte{0, 255},
		"T": time.Unix(1700000000, 0).UTC(), "V": nil,
		"F": Table{"inner": Table{}, "k": "v"}, "A": []any{int32(1), "two", []any{}, Table{"x": nil}}, "": "empty key",
	}
}
