package wire

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestEveryTypeOfATableSurvivesARoundTrip(t *testing.T) {
	encoded, err := everyType().AppendTo([]byte("before"))
	if err != nil {
		t.Fatal(err)
	}
	encoded = encoded[len("before"):]
	if n := int(encoded[2])<<8 | int(encoded[3]); n != len(encoded)-4 {
		t.Errorf("the length in front is %d of %d", n, len(encoded)-4)
	}
	got, err := RawTable(encoded[4:]).Decode(Limits{})
	if err != nil || !reflect.DeepEqual(got, everyType()) {
		t.Errorf("%#v, %v", got, err)
	}
}

func TestValuesHaveTheTagsOfRabbitMQ(t *testing.T) {
	smallestInt := "l\x80\x00\x00\x00\x00\x00\x00\x00"
	if math.MaxInt == math.MaxInt32 {
		smallestInt = "I\x80\x00\x00\x00"
	}
	tests := []struct {
		v    any
		want string
	}{
		{true, "t\x01"}, {int8(-2), "b\xfe"}, {uint8(254), "B\xfe"}, {int16(-2), "s\xff\xfe"}, {uint16(65534), "u\xff\xfe"},
		{int32(-2), "I\xff\xff\xff\xfe"}, {uint32(2), "i\x00\x00\x00\x02"}, {int64(2), "l\x00\x00\x00\x00\x00\x00\x00\x02"},
		{math.MaxInt32, "I\x7f\xff\xff\xff"}, {math.MinInt32, "I\x80\x00\x00\x00"}, {math.MinInt, smallestInt},
		{uint(7), "l\x00\x00\x00\x00\x00\x00\x00\x07"}, {uint64(math.MaxInt64), "l\x7f\xff\xff\xff\xff\xff\xff\xff"},
		{float32(1), "f\x3f\x80\x00\x00"}, {1.0, "d\x3f\xf0\x00\x00\x00\x00\x00\x00"},
		{Decimal{2, -1}, "D\x02\xff\xff\xff\xff"}, {"ab", "S\x00\x00\x00\x02ab"}, {[]byte("ab"), "x\x00\x00\x00\x02ab"},
		{time.Unix(5, 999), "T\x00\x00\x00\x00\x00\x00\x00\x05"}, {time.Unix(-1, 0), "T\xff\xff\xff\xff\xff\xff\xff\xff"},
		{nil, "V"}, {Table{"k": nil}, "F\x00\x00\x00\x03\x01kV"}, {map[string]any{"k": nil}, "F\x00\x00\x00\x03\x01kV"}, {[]any{nil, false}, "A\x00\x00\x00\x03Vt\x00"},
	}
	for _, test := range tests {
		got, err := Table{"v": test.v}.AppendTo(nil)
		if err != nil || string(got[6:]) != test.want {
			t.Errorf("%T %v: %q, %v, want %q", test.v, test.v, got[6:], err, test.want)
		}
	}
}

func TestTagsOfOtherClientsAreRead(t *testing.T) {
	got, err := RawTable("\x01UU\xff\xfe\x01LL\xff\xff\xff\xff\xff\xff\xff\xfe").Decode(Limits{})
	if want := (Table{"U": int16(-2), "L": int64(-2)}); err != nil || !reflect.DeepEqual(got, want) {
		t.Error(got, err)
	}
}

func TestKeysAreEncodedInOrder(t *testing.T) {
	table := Table{}
	for c := byte('z'); c >= 'a'; c-- {
		table[string(c)] = nil
	}
	got, err := table.AppendTo(nil)
	if want := "aVbVcVdVeVfVgVhViVjVkVlVmVnVoVpVqVrVsVtVuVvVwVxVyVzV"; err != nil || strings.ReplaceAll(string(got[4:]), "\x01", "") != want {
		t.Errorf("%q, %v", got, err)
	}
}

func nested(levels int) Table {
	t := Table{}
	for range levels - 1 {
		t = Table{"a": []any{t}}
	}
	return t
}

func TestValuesWithoutAWireFormAreErrorsThatNameThePath(t *testing.T) {
	cyclic := Table{}
	cyclic["me"] = cyclic
	loop := []any{nil}
	loop[0] = loop
	tests := []struct {
		name  string
		table Table
		text  string
	}{
		{"channel", Table{"a": []any{0, 1, 2, Table{"b": make(chan int)}}}, "amqp: encoding table.a[3].b is a chan int, which has no field type"},
		{"function", Table{"f": func() {}}, "amqp: encoding table.f is a func(), which has no field type"},
		{"struct", Table{"s": NewSecret("hush")}, "amqp: encoding table.s is a wire.Secret, which has no field type"},
		{"slice of a type", Table{"s": []string{"a"}}, "amqp: encoding table.s is a []string, which has no field type"},
		{"uint64", Table{"n": uint64(1 << 63)}, "amqp: encoding table.n is above the largest integer that AMQP carries, 2^63-1"},
		{"uint64 in an array", Table{"a": []any{uint64(math.MaxUint64)}}, "amqp: encoding table.a[0] is above the largest integer that AMQP carries, 2^63-1"},
		{"key", Table{"a": Table{strings.Repeat("k", 256): 1}}, "amqp: encoding table.a has a key of 256 bytes, the limit is 255"},
		{"table in itself", cyclic, "amqp: encoding table" + strings.Repeat(".me", 32) + " is nested too deep"},
		{"array in itself", Table{"a": loop}, "amqp: encoding table.a" + strings.Repeat("[0]", 31) + " is nested too deep"},
		{"entries", Table{"a": make([]any, 65536)}, "amqp: encoding table.a exceeds the limit of 65536 entries"},
	}
	for _, test := range tests {
		var fault *EncodeError
		got, err := test.table.AppendTo([]byte("before"))
		if !errors.As(err, &fault) || err.Error() != test.text || string(got) != "before" {
			t.Errorf("%s: %v", test.name, err)
		}
		if again := test.table.Validate(); again == nil || again.Error() != err.Error() {
			t.Errorf("%s: Validate says %v", test.name, again)
		}
	}
	for _, good := range []Table{nil, {}, nested(16), {"a": make([]any, 65535)}, {strings.Repeat("k", 255): 1}} {
		if err := good.Validate(); err != nil {
			t.Error(err)
		}
	}
}

func TestMalformedTablesAreRefused(t *testing.T) {
	tests := []struct{ name, p, text string }{
		{"unknown tag", "\x01kZ", "amqp: table at byte 2: unknown field type 'Z'"},
		{"no tag", "\x01k", "amqp: table at byte 2: 1 bytes are needed, 0 are left"},
		{"key cut off", "\x05ke", "amqp: table at byte 1: 5 bytes are needed, 2 are left"},
		{"string of 4 GiB", "\x01kS\xff\xff\xff\xff", "amqp: table at byte 7: 4294967295 bytes are needed, 0 are left"},
		{"table of 4 GiB", "\x01kF\xff\xff\xff\xff", "amqp: table at byte 7: 4294967295 bytes are needed, 0 are left"},
		{"array of 4 GiB", "\x01kA\xff\xff\xff\xffV", "amqp: table at byte 7: 4294967295 bytes are needed, 1 are left"},
		{"value beyond the end of its array", "\x01kA\x00\x00\x00\x02I\x00", "amqp: table at byte 8: 4 bytes are needed, 1 are left"},
	}
	for _, test := range tests {
		_, err := RawTable(test.p).Decode(Limits{})
		if err == nil || err.Error() != test.text || !errors.Is(err, SyntaxError) {
			t.Errorf("%s: %v", test.name, err)
		}
		// Looking something up passes over nested values without a look inside.
		if _, _, err := RawTable(test.p).Lookup("none"); (err == nil) != strings.HasPrefix(test.name, "value beyond") {
			t.Errorf("%s: Lookup says %v", test.name, err)
		}
	}
}

func TestATableIsBoundedInDepthAndEntries(t *testing.T) {
	deep, err := nested(16).AppendTo(nil) // 31 levels: 16 tables with arrays between
	if err != nil {
		t.Fatal(err)
	}
	wide := RawTable("\x01kA\x00\x00\x00\x0aVVVVVVVVVV")
	hostile := RawTable{}
	for range 10000 {
		n := len(hostile)
		hostile = append(RawTable{0, 'F', 0, 0, byte(n >> 8), byte(n)}, hostile...)
	}
	tests := []struct {
		name   string
		p      RawTable
		limits Limits
		ok     bool
	}{
		{"as deep as allowed", deep[4:], Limits{Depth: 31}, true},
		{"too deep", deep[4:], Limits{Depth: 30}, false},
		{"default depth", deep[4:], Limits{}, true},
		{"nested 10,000 deep", hostile, Limits{}, false},
		{"as wide as allowed", wide, Limits{Entries: 11}, true},
		{"too wide", wide, Limits{Entries: 10}, false},
		{"limits below zero count as none given", wide, Limits{Depth: -1, Entries: -1}, true},
	}
	for _, test := range tests {
		if _, err := test.p.Decode(test.limits); (err == nil) != test.ok {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestLimitsHoldInMethodsAndProperties(t *testing.T) {
	within, beyond := Table{"a": true}, Table{"a": Table{}}
	d := Decoder{Limits: Limits{Depth: 1}}
	for _, test := range []struct {
		table Table
		ok    bool
	}{{within, true}, {beyond, false}} {
		payload := encode(t, &QueueDeclare{Arguments: test.table})
		if err := d.Method(payload[4:], &QueueDeclare{}); (err == nil) != test.ok {
			t.Error(test.table, err)
		}
		var p Properties
		if err := p.Decode(encodeProperties(t, Properties{Headers: test.table}), &d); (err == nil) != test.ok {
			t.Error(test.table, err)
		}
	}
}

// Tables of one entry each are what makes most of the fewest bytes.
func TestWhatATableClaimsIsNotAllocated(t *testing.T) {
	const small = "F\x00\x00\x00\x02\x00V"
	full := strings.Repeat(small, 60000/len(small))
	hostile := map[string]string{
		"many small tables":         "\x00A\x00\x00" + string([]byte{byte(len(full) >> 8), byte(len(full))}) + full,
		"an array of claimed 4 GiB": "\x00A\xff\xff\xff\xff" + full,
		"text of claimed 4 GiB":     "\x00S\xff\xff\xff\xff" + full,
	}
	for name, p := range hostile {
		bounded(t, len(p), func() {
			if _, err := RawTable(p).Decode(Limits{}); (err == nil) != (name == "many small tables") {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

func TestLookupFindsWhatDecodeWouldHaveFound(t *testing.T) {
	encoded, err := everyType().AppendTo(nil)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range everyType() {
		got, ok, err := RawTable(encoded[4:]).Lookup(key)
		if err != nil || !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %#v, %v, %v", key, got, ok, err)
		}
	}
	if v, ok, err := RawTable(encoded[4:]).Lookup("absent"); v != nil || ok || err != nil {
		t.Error(v, ok, err)
	}
	if v, ok, err := RawTable(nil).Lookup("absent"); v != nil || ok || err != nil {
		t.Error(v, ok, err)
	}
}

func TestTheLastOfSeveralEntriesCounts(t *testing.T) {
	twice := RawTable("\x01kt\x00\x01kt\x01")
	v, _, err := twice.Lookup("k")
	all, err2 := twice.Decode(Limits{})
	if v != true || all["k"] != true || err != nil || err2 != nil {
		t.Error(v, all, err, err2)
	}
}

func TestDecodedTablesShareNothingWithTheirBytes(t *testing.T) {
	encoded, _ := everyType().AppendTo(nil)
	raw := RawTable(encoded[4:])
	all, err := raw.Decode(Limits{})
	if err != nil {
		t.Fatal(err)
	}
	one, _, err := raw.Lookup("S")
	two, _, err2 := raw.Lookup("x")
	clear(raw)
	if err != nil || err2 != nil || one != "text \xff" || !bytes.Equal(two.([]byte), []byte{0, 255}) || !reflect.DeepEqual(all, everyType()) {
		t.Error(one, two, all)
	}
}

func TestACloneSharesNothing(t *testing.T) {
	inner := map[string]any{"deep": []any{[]byte{1}}}
	from := Table{"x": []byte{1}, "F": Table{"k": "v"}, "A": []any{Table{"k": "v"}}, "m": inner, "none": []any(nil), "nothing": []byte(nil)}
	clone := from.Clone()
	if !reflect.DeepEqual(clone, from) {
		t.Errorf("%#v", clone)
	}
	from["x"].([]byte)[0] = 2
	from["F"].(Table)["k"] = "changed"
	from["A"].([]any)[0].(Table)["k"] = "changed"
	inner["deep"].([]any)[0].([]byte)[0] = 2
	want := Table{"x": []byte{1}, "F": Table{"k": "v"}, "A": []any{Table{"k": "v"}}, "m": map[string]any{"deep": []any{[]byte{1}}}, "none": []any(nil), "nothing": []byte(nil)}
	if !reflect.DeepEqual(clone, want) {
		t.Errorf("%#v", clone)
	}
	if Table(nil).Clone() != nil {
		t.Error("the clone of nil is not nil")
	}
}

func TestCloningATableThatContainsItselfEnds(t *testing.T) {
	cyclic := Table{}
	cyclic["me"] = []any{cyclic}
	if cyclic.Clone() == nil {
		t.Error("nil")
	}
}
