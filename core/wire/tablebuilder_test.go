package wire

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// build adds the entries of a table in the order of their keys.
func build(b *TableBuilder, t Table) (RawTable, error) {
	b.Reset()
	for _, key := range slices.Sorted(maps.Keys(t)) {
		b.Add(key, t[key])
	}
	return b.Table()
}

func TestABuiltTableIsThatOfTheMap(t *testing.T) {
	var b TableBuilder
	for _, table := range []Table{everyType(), {}, {"int": 7, "uint": uint(8), "map": map[string]any{"k": 1}}, nested(16), {"a": make([]any, 65535)}, {strings.Repeat("k", 255): nil}} {
		want, err := table.AppendTo(nil)
		got, err2 := build(&b, table)
		if err != nil || err2 != nil || string(got) != string(want[4:]) {
			t.Errorf("%q, %v, want %q, %v", got, err2, want[4:], err)
		}
	}
}

func TestABuiltTableHasTheOrderOfTheCalls(t *testing.T) {
	var b TableBuilder
	b.Add("z", true)
	b.Add("a", "first")
	got, err := b.Table()
	if want := "\x01zt\x01\x01aS\x00\x00\x00\x05first"; err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
	b.Add("m", nil)
	if more, err := b.Table(); err != nil || string(more) != string(got)+"\x01mV" {
		t.Errorf("%q, %v", more, err)
	}
}

func TestATableWithoutEntriesIsNotNil(t *testing.T) {
	var b TableBuilder
	for range 2 {
		if got, err := b.Table(); got == nil || len(got) != 0 || err != nil {
			t.Error(got == nil, got, err)
		}
		b.Reset()
	}
}

func TestABuilderRefusesWhatAMapRefuses(t *testing.T) {
	cyclic := Table{}
	cyclic["me"] = cyclic
	tests := map[string]Table{
		"a channel":         {"a": []any{0, 1, 2, Table{"b": make(chan int)}}},
		"a struct":          {"s": NewSecret("hush")},
		"a large integer":   {"n": uint64(math.MaxUint64)},
		"a long key":        {strings.Repeat("k", 256): 1},
		"a long key inside": {"a": Table{strings.Repeat("k", 256): 1}},
		"a cycle":           cyclic,
		"a deep table":      {"a": nested(17)},
		"many entries":      {"a": make([]any, 65536)},
	}
	var b TableBuilder
	for name, table := range tests {
		var fault *EncodeError
		got, err := build(&b, table)
		if want := table.Validate(); got != nil || !errors.As(err, &fault) || err.Error() != want.Error() {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
}

func TestTheFirstErrorStaysUntilReset(t *testing.T) {
	var b TableBuilder
	b.Add("good", 1)
	b.Add("bad", struct{}{})
	b.Add("worse", func() {})
	for range 2 {
		if got, err := b.Table(); got != nil || err == nil || err.Error() != "amqp: encoding table.bad is a struct {}, which has no field type" {
			t.Errorf("%q, %v", got, err)
		}
	}
	b.Reset()
	b.Add("good", true)
	if got, err := b.Table(); err != nil || string(got) != "\x04goodt\x01" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestAKeyThatIsAddedTwiceIsAnError(t *testing.T) {
	var b TableBuilder
	for _, others := range []int{0, 1, 100} {
		b.Reset()
		b.Add("k", 1)
		for i := range others {
			b.Add(fmt.Sprint("other", i), i)
		}
		if _, err := b.Table(); err != nil {
			t.Errorf("with %d others: %v", others, err)
		}
		b.Add("k", 1)
		if got, err := b.Table(); got != nil || err == nil || err.Error() != "amqp: encoding table.k was added twice" {
			t.Errorf("with %d others: %q, %v", others, got, err)
		}
	}
	b.Reset()
	b.Add("", 1)
	b.Add("", 2)
	if _, err := b.Table(); err == nil {
		t.Error("the empty key is there twice")
	}
}

func TestTheEntriesOfABuiltTableAreBounded(t *testing.T) {
	var b TableBuilder
	for i := range 65536 {
		b.Add(fmt.Sprint(i), nil)
	}
	if _, err := b.Table(); err != nil {
		t.Error(err)
	}
	b.Add("more", nil)
	if _, err := b.Table(); err == nil || err.Error() != "amqp: encoding table exceeds the limit of 65536 entries" {
		t.Error(err)
	}
}

func TestBuildingATableAllocatesNothing(t *testing.T) {
	var b TableBuilder
	var buf [512]byte
	n, text := int64(1<<40), "text"
	build := func() {
		n++
		text = text[:1+n%3]
		b.Reset()
		b.Add("number", n)
		b.Add("small", int32(n))
		b.Add("text", text)
		b.Add("bytes", buf[:n%3])
		b.Add("yes", n%2 == 0)
		b.Add("half", float64(n)/2)
		b.Add("time", time.Unix(n, 0))
		b.Add("price", Decimal{2, int32(n)})
		table, err := b.Table()
		if err != nil {
			t.Fatal(err)
		}
		props := Properties{ContentType: "text/plain", RawHeaders: table}
		if _, err := props.AppendTo(buf[:0]); err != nil {
			t.Fatal(err)
		}
		text = "text"
	}
	build()
	if allocs := testing.AllocsPerRun(100, build); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func TestRawHeadersStandForHeaders(t *testing.T) {
	var b TableBuilder
	table, err := build(&b, everyType())
	if err != nil {
		t.Fatal(err)
	}
	p := everyProperty()
	want := encodeProperties(t, p)
	p.Headers, p.RawHeaders = nil, table
	got := encodeProperties(t, p)
	if string(got) != string(want) {
		t.Errorf("%q, want %q", got, want)
	}
	headers, _ := got.Headers()
	if again := encodeProperties(t, Properties{RawHeaders: headers}); string(again) != string(encodeProperties(t, only(HasHeaders))) {
		t.Errorf("sent on, they are %q", again)
	}
	if err := p.Decode(got, nil); err != nil || p.RawHeaders != nil || p.Headers == nil {
		t.Errorf("%+v, %v", p, err)
	}
	if empty := encodeProperties(t, Properties{RawHeaders: RawTable{}}); string(empty) != string(encodeProperties(t, Properties{Headers: Table{}})) {
		t.Errorf("an empty table is %q", empty)
	}
}
