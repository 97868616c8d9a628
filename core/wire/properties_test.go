package wire

import (
	"errors"
	"math/bits"
	"reflect"
	"strings"
	"testing"
	"time"
)

func everyProperty() Properties {
	return Properties{
		Present: allProperties, ContentType: "a", ContentEncoding: "bb", Headers: everyType(), DeliveryMode: Persistent, Priority: 9,
		CorrelationID: "ccc", ReplyTo: "dddd", Expiration: "eeeee", MessageID: "ffffff", Timestamp: time.Unix(1700000000, 0).UTC(),
		Type: "ggggggg", UserID: "hhhhhhhh", AppID: "iiiiiiiii", ClusterID: "jjjjjjjjjj",
	}
}

func encodeProperties(t testing.TB, p Properties) RawProperties {
	t.Helper()
	raw, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// only is every property's value for those of the given set.
func only(set Property) Properties {
	p, every := Properties{Present: set}, everyProperty()
	from, to := reflect.ValueOf(every), reflect.ValueOf(&p).Elem()
	for i := 1; i < from.NumField(); i++ { // Present is the first
		if set&(1<<(16-i)) != 0 {
			to.Field(i).Set(from.Field(i))
		}
	}
	return p
}

func TestEverySetOfPropertiesSurvivesARoundTrip(t *testing.T) {
	for set := range 1 << 14 {
		p := only(Property(set) << 2)
		raw := encodeProperties(t, p)
		if err := raw.Check(); err != nil || raw.Flags() != p.Present {
			t.Fatalf("%#x: %#x, %v", p.Present, raw.Flags(), err)
		}
		if set%61 != 0 && bits.OnesCount(uint(set)) > 2 {
			continue // decoding all takes too long under the race detector
		}
		if got, err := raw.Decode(); err != nil || !reflect.DeepEqual(got, p) {
			t.Fatalf("%+v became %+v, %v", p, got, err)
		}
		p.Present = 0 // what is not zero is sent unasked
		if again := encodeProperties(t, p); string(again) != string(raw) {
			t.Fatalf("%+v became %q, want %q", p, again, raw)
		}
	}
}

func TestAbsentDiffersFromEmpty(t *testing.T) {
	for set := HasContentType; set >= HasClusterID; set >>= 1 {
		raw := encodeProperties(t, Properties{Present: set})
		got, err := raw.Decode()
		if err != nil || !reflect.DeepEqual(got, Properties{Present: set, Timestamp: got.Timestamp}) || !got.Timestamp.IsZero() {
			t.Errorf("%s: %+v, %v", set, got, err)
		}
		if _, ok := raw.Field(set); !ok {
			t.Errorf("%s is absent", set)
		}
	}
	if raw := encodeProperties(t, Properties{}); string(raw) != "\x00\x00" {
		t.Errorf("%q", raw)
	}
	if raw := encodeProperties(t, Properties{Headers: Table{}}); raw.Flags() != HasHeaders {
		t.Errorf("empty headers: %q", raw)
	}
}

func TestAccessorsFindTheirProperty(t *testing.T) {
	want := everyProperty()
	for _, raw := range []RawProperties{encodeProperties(t, want), encodeProperties(t, only(0)), nil, {}} {
		all := len(raw) > 2
		text := map[string]func() (string, bool){
			want.ContentType: raw.ContentType, want.ContentEncoding: raw.ContentEncoding, want.CorrelationID: raw.CorrelationID,
			want.ReplyTo: raw.ReplyTo, want.Expiration: raw.Expiration, want.MessageID: raw.MessageID, want.Type: raw.Type,
			want.UserID: raw.UserID, want.AppID: raw.AppID, want.ClusterID: raw.ClusterID,
		}
		for want, f := range text {
			if got, ok := f(); ok != all || ok && got != want {
				t.Errorf("%q, %v, want %q", got, ok, want)
			}
		}
		if v, ok := raw.DeliveryMode(); ok != all || ok && v != want.DeliveryMode {
			t.Error("delivery mode", v, ok)
		}
		if v, ok := raw.Priority(); ok != all || ok && v != want.Priority {
			t.Error("priority", v, ok)
		}
		if v, ok := raw.Timestamp(); ok != all || ok && !v.Equal(want.Timestamp) {
			t.Error("timestamp", v, ok)
		}
		headers, ok := raw.Headers()
		if v, found, err := headers.Lookup("S"); ok != all || found != all || err != nil || all && v != want.Headers["S"] {
			t.Error("headers", v, ok, found, err)
		}
	}
}

func TestDecodingPropertiesOverwritesThem(t *testing.T) {
	p := everyProperty()
	if err := p.Decode(nil, nil); err != nil || !reflect.DeepEqual(p, Properties{}) {
		t.Errorf("%+v, %v", p, err)
	}
	p = everyProperty()
	if err := p.Decode(encodeProperties(t, only(HasAppID)), &Decoder{Intern: &Interner{}}); err != nil || !reflect.DeepEqual(p, only(HasAppID)) {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestDecodingPropertiesWithAnInternerAllocatesNothing(t *testing.T) {
	raw := encodeProperties(t, only(HasContentType|HasType|HasReplyTo|HasDeliveryMode|HasTimestamp))
	d, p := Decoder{Intern: &Interner{}}, Properties{}
	if n := testing.AllocsPerRun(100, func() {
		if err := p.Decode(raw, &d); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestShortPropertiesAreCopiedInOnePiece(t *testing.T) {
	many := only(allProperties &^ HasHeaders)
	large := many
	large.Headers = Table{"x": strings.Repeat("x", 2000)}
	for _, test := range []struct {
		p      Properties
		allocs float64
	}{{many, 1}, {large, 14}} { // ten strings, and a table of one
		raw := encodeProperties(t, test.p)
		if n := testing.AllocsPerRun(100, func() {
			if p, err := raw.Decode(); err != nil || p.AppID != "iiiiiiiii" || p.MessageID != "ffffff" {
				t.Fatal(p, err)
			}
		}); n > test.allocs {
			t.Errorf("%v allocations, want at most %v", n, test.allocs)
		}
	}
	raw := encodeProperties(t, everyProperty())
	p, err := raw.Decode()
	clear(raw)
	if err != nil || !reflect.DeepEqual(p, everyProperty()) {
		t.Errorf("when the bytes went, %+v were left, %v", p, err)
	}
}

func TestATruncatedPropertyListIsAnError(t *testing.T) {
	raw := encodeProperties(t, everyProperty())
	for n := 1; n < len(raw); n++ {
		cut := raw[:n]
		if err := cut.Check(); !errors.Is(err, SyntaxError) {
			t.Errorf("Check of %d bytes: %v", n, err)
		}
		if _, err := cut.Decode(); !errors.Is(err, SyntaxError) {
			t.Errorf("Decode of %d bytes: %v", n, err)
		}
		if _, ok := cut.ClusterID(); ok {
			t.Errorf("%d bytes have a cluster id", n)
		}
		cut.Headers()
		cut.Timestamp()
		cut.Priority()
	}
}

func TestFlagsWithoutAPropertyAreRefused(t *testing.T) {
	for _, raw := range []RawProperties{{0, 1}, {0, 2}, {0x80, 1, 0, 0}, {0xff, 0xff}} {
		_, err := raw.Decode()
		if raw.Check() == nil || err == nil || raw.Flags() != 0 {
			t.Errorf("%x is accepted", raw)
		}
		if _, ok := raw.ContentType(); ok {
			t.Errorf("%x has a content type", raw)
		}
	}
	for _, p := range []Property{0, HasType | HasAppID, 1} {
		if v, ok := encodeProperties(t, everyProperty()).Field(p); ok {
			t.Errorf("%#x: %q", p, v)
		}
	}
}

func TestPropertiesThatCannotBeSentAreErrors(t *testing.T) {
	long := strings.Repeat("x", 256)
	tests := []struct {
		p    Properties
		text string
	}{
		{Properties{CorrelationID: long}, "amqp: encoding correlation-id is 256 bytes, the limit is 255"},
		{Properties{Headers: Table{"a": []any{1, Table{"b": struct{}{}}}}}, "amqp: encoding headers.a[1].b is a struct {}, which has no field type"},
		{Properties{Headers: Table{}, RawHeaders: RawTable{}}, "amqp: encoding headers are set twice, as Headers and as RawHeaders"},
		{Properties{Present: 3}, "amqp: encoding present has the bits 0x3, which name no property"},
	}
	for _, test := range tests {
		got, err := test.p.AppendTo([]byte("before"))
		if err == nil || err.Error() != test.text || string(got) != "before" {
			t.Errorf("%v, %q", err, got)
		}
		if raw, err := test.p.Encode(); raw != nil || err == nil {
			t.Errorf("%q, %v", raw, err)
		}
	}
}

func TestAClonedPropertyListStaysWhenItsOriginGoes(t *testing.T) {
	raw := encodeProperties(t, everyProperty())
	clone := raw.Clone()
	clear(raw)
	if v, _ := clone.AppID(); v != "iiiiiiiii" || RawProperties(nil).Clone() != nil {
		t.Error(v)
	}
}

func TestAPropertyKnowsItsName(t *testing.T) {
	for p, want := range map[Property]string{HasContentType: "content-type", HasMessageID: "message-id", HasClusterID: "cluster-id", HasHeaders | HasAppID: "headers", 0: "none", 1: "none"} {
		if p.String() != want {
			t.Errorf("%#x is %s", uint16(p), p)
		}
	}
}
