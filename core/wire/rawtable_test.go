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

func everyEntry(t testing.TB) RawTable {
	encoded, err := everyType().AppendTo(nil)
	if err != nil {
		t.Fatal(err)
	}
	return RawTable(encoded[4:])
}

func TestAllEntriesAreThoseOfTheTable(t *testing.T) {
	got := Table{}
	var keys []string
	for e, err := range everyEntry(t).All() {
		if err != nil {
			t.Fatal(err)
		}
		v, err := e.Value.Decode()
		if err != nil {
			t.Errorf("%s: %v", e.Key, err)
		}
		got[string(e.Key)] = v
		keys = append(keys, string(e.Key))
	}
	if want := " A B D F I S T V b d f i l s t u x"; !reflect.DeepEqual(got, everyType()) || strings.Join(keys, " ") != want {
		t.Errorf("%#v in the order %q", got, keys)
	}
	for range RawTable(nil).All() {
		t.Error("no table has an entry")
	}
}

func TestAllEndsWhereItIsLeft(t *testing.T) {
	n := 0
	for range everyEntry(t).All() {
		if n++; n == 3 {
			break
		}
	}
	if n != 3 {
		t.Errorf("%d entries", n)
	}
}

func TestAllHasEachOfSeveralEntries(t *testing.T) {
	var got []bool
	for e, err := range RawTable("\x01kt\x00\x01kt\x01").All() {
		yes, ok := e.Value.Bool()
		if err != nil || !ok || string(e.Key) != "k" {
			t.Errorf("%s, %v, %v", e.Key, ok, err)
		}
		got = append(got, yes)
	}
	if !reflect.DeepEqual(got, []bool{false, true}) {
		t.Error(got)
	}
	if v, ok, err := RawTable("\x01kt\x00\x01kt\x01\x01xV").Field("k"); string(v) != "t\x01" || !ok || err != nil {
		t.Errorf("the one that counts: %q, %v, %v", v, ok, err)
	}
}

func TestAllReportsWhatDecodeReports(t *testing.T) {
	for _, s := range []string{"\x01kZ", "\x01k", "\x05ke", "\x01kS\xff\xff\xff\xff", "\x01kF\xff\xff\xff\xff", "\x01kA\xff\xff\xff\xffV", "\x01kI\x00\x00"} {
		p := RawTable("\x02okt\x01" + s)
		_, want := p.Decode(Limits{})
		n := 0
		for e, err := range p.All() {
			switch n++; n {
			case 1:
				if err != nil || string(e.Key) != "ok" {
					t.Errorf("%q: %s, %v", p, e.Key, err)
				}
			case 2:
				if err == nil || err.Error() != want.Error() || !errors.Is(err, SyntaxError) {
					t.Errorf("%q: %v, want %v", p, err, want)
				}
			default:
				t.Fatalf("%q has more than an error", p)
			}
		}
		if n != 2 {
			t.Errorf("%q: %d entries", p, n)
		}
		if v, ok, err := p.Field("ok"); v != nil || ok || err == nil {
			t.Errorf("%q: Field says %q, %v, %v", p, v, ok, err)
		}
	}
}

func TestAFieldIsFoundByItsKey(t *testing.T) {
	raw := everyEntry(t)
	for key, want := range everyType() {
		v, ok, err := raw.Field(key)
		got, err2 := v.Decode()
		if !ok || err != nil || err2 != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %#v, %v, %v, %v", key, got, ok, err, err2)
		}
	}
	if v, ok, err := raw.Field("absent"); v != nil || ok || err != nil {
		t.Error(v, ok, err)
	}
}

func TestEntriesAliasTheTableButCannotGrowIntoIt(t *testing.T) {
	raw := everyEntry(t)
	before := bytes.Clone(raw)
	for e := range raw.All() {
		_ = append(e.Key[:len(e.Key):len(e.Key)], 'x')
		_ = append(e.Value, "xxxx"...)
	}
	if !bytes.Equal(raw, before) {
		t.Errorf("%q became %q", before, raw)
	}
}

func TestAccessorsReadTheTypesThatTheyAreFor(t *testing.T) {
	integers := map[string]int64{"b": -8, "B": 200, "s": -300, "u": 60000, "I": -70000, "i": 4_000_000_000, "l": -1 << 62, "L": -2, "U": -3}
	floats := map[string]float64{"f": 1.5, "d": 2.25}
	text := map[string]string{"S": "text \xff", "x": "\x00\xff"}
	raw := append(everyEntry(t), "\x01LL\xff\xff\xff\xff\xff\xff\xff\xfe\x01UU\xff\xfd"...)
	for e, err := range raw.All() {
		key, v := string(e.Key), e.Value
		if key == "" {
			continue
		}
		if err != nil || v.Tag() != key[0] {
			t.Errorf("%s has the tag %c, %v", key, v.Tag(), err)
		}
		n, isInt := v.Int64()
		if want, ok := integers[key]; isInt != ok || n != want {
			t.Errorf("%s as an integer: %v, %v", key, n, isInt)
		}
		f, isFloat := v.Float64()
		if want, ok := floats[key]; isFloat != ok || f != want {
			t.Errorf("%s as a float: %v, %v", key, f, isFloat)
		}
		b, isBytes := v.Bytes()
		if want, ok := text[key]; isBytes != ok || string(b) != want {
			t.Errorf("%s as bytes: %q, %v", key, b, isBytes)
		}
		if yes, ok := v.Bool(); ok != (key == "t") || yes != ok {
			t.Errorf("%s as a bool: %v, %v", key, yes, ok)
		}
		at, isTime := v.Time()
		if isTime != (key == "T") || isTime && !at.Equal(time.Unix(1700000000, 0)) || isTime && at.Location() != time.UTC {
			t.Errorf("%s as a time: %v, %v", key, at, isTime)
		}
	}
}

// accessible tells whether any accessor takes the value.
func accessible(v RawValue) bool {
	_, isBool := v.Bool()
	_, isInt := v.Int64()
	_, isFloat := v.Float64()
	_, isBytes := v.Bytes()
	_, isTime := v.Time()
	return isBool || isInt || isFloat || isBytes || isTime
}

func TestAValueThatIsNotWholeIsNone(t *testing.T) {
	for e := range everyEntry(t).All() {
		for n := range len(e.Value) {
			if cut := e.Value[:n]; accessible(cut) {
				t.Errorf("%d bytes of %q are a value", n, e.Value)
			} else if _, err := cut.Decode(); !errors.Is(err, SyntaxError) {
				t.Errorf("%d bytes of %q: %v", n, e.Value, err)
			}
		}
		if long := append(e.Value, 0); accessible(long) {
			t.Errorf("%q is a value", long)
		} else if _, err := long.Decode(); !errors.Is(err, SyntaxError) {
			t.Errorf("%q: %v", long, err)
		}
	}
	for _, v := range []RawValue{nil, {}, {0}, {255}, RawValue("S\xff\xff\xff\xff")} {
		if accessible(v) {
			t.Errorf("%q is a value", v)
		}
	}
	if RawValue(nil).Tag() != 0 {
		t.Error("nothing has a tag")
	}
}

func TestReadingATableAllocatesNothing(t *testing.T) {
	raw := everyEntry(t)
	sum := 0.0
	if n := testing.AllocsPerRun(100, func() {
		for e, err := range raw.All() {
			if err != nil {
				t.Fatal(err)
			}
			i, _ := e.Value.Int64()
			f, _ := e.Value.Float64()
			b, _ := e.Value.Bytes()
			at, _ := e.Value.Time()
			sum += float64(i) + f + float64(len(b)) + float64(at.Second())
		}
		if v, ok, err := raw.Field("d"); !ok || err != nil || v.Tag() != 'd' {
			t.Fatal(v, ok, err)
		}
	}); n != 0 || math.IsNaN(sum) {
		t.Errorf("%v allocations", n)
	}
}
