package wire

import (
	"encoding/binary"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// entriesOf appends a table with its length in front. depth counts the levels
// that are still allowed, this one included.
func (w *writer) entriesOf(t Table, depth int) *EncodeError {
	if depth <= 0 {
		return &EncodeError{Reason: "is nested too deep"}
	}
	if err := w.spend(len(t)); err != nil {
		return err
	}
	var few [16]pair // for most tables to need no allocation
	pairs := few[:0]
	for k, v := range t {
		pairs = append(pairs, pair{k, v})
	}
	sortPairs(pairs)
	at := w.open()
	for i := range pairs {
		if err := w.entry(pairs[i].key, pairs[i].v, depth-1); err != nil {
			return err
		}
	}
	return w.close(at)
}

// pair is an entry of a table.
type pair struct {
	key string
	v   any
}

// sortPairs sorts few pairs by insertion, without the calls of a function that
// compares.
func sortPairs(pairs []pair) {
	if len(pairs) > 16 {
		slices.SortFunc(pairs, func(a, b pair) int { return strings.Compare(a.key, b.key) })
		return
	}
	for i := range pairs {
		for j := i; j > 0 && pairs[j].key < pairs[j-1].key; j-- {
			pairs[j], pairs[j-1] = pairs[j-1], pairs[j]
		}
	}
}

// entry appends a key and its value; depth is for tables and arrays.
func (w *writer) entry(key string, v any, depth int) *EncodeError {
	if len(key) > math.MaxUint8 {
		return &EncodeError{Reason: "has a key of " + strconv.Itoa(len(key)) + " bytes, the limit is 255"}
	}
	w.b = append(append(w.b, byte(len(key))), key...)
	if err := w.value(v, depth); err != nil {
		return err.under(key)
	}
	return nil
}

// spend counts n more entries.
func (w *writer) spend(n int) *EncodeError {
	if w.entries += n; w.entries > maxEntries {
		return &EncodeError{Reason: "exceeds the limit of 65536 entries"}
	}
	return nil
}

// elements appends an array with its length in front.
func (w *writer) elements(a []any, depth int) *EncodeError {
	if depth <= 0 {
		return &EncodeError{Reason: "is nested too deep"}
	}
	if err := w.spend(len(a)); err != nil {
		return err
	}
	at := w.open()
	for i, v := range a {
		if err := w.value(v, depth-1); err != nil {
			return err.under("[" + strconv.Itoa(i) + "]")
		}
	}
	return w.close(at)
}

// open leaves room for a length.
func (w *writer) open() (at int) {
	at = len(w.b)
	w.long(0)
	return at
}

// close fills in the length of what was appended since open.
func (w *writer) close(at int) *EncodeError {
	n := len(w.b) - at - 4
	if uint64(n) > math.MaxUint32 {
		return &EncodeError{Reason: "is larger than 4 GiB"}
	}
	binary.BigEndian.PutUint32(w.b[at:], uint32(n))
	return nil
}

// value appends a tag and the value; depth is for tables and arrays.
func (w *writer) value(v any, depth int) *EncodeError {
	switch v := v.(type) {
	case nil:
		w.octet('V')
	case bool:
		w.tagged('t', bit(v))
	case int8:
		w.tagged('b', uint8(v))
	case uint8:
		w.tagged('B', v)
	case int16:
		w.octet('s')
		w.short(uint16(v))
	case uint16:
		w.octet('u')
		w.short(v)
	case int32:
		w.octet('I')
		w.long(uint32(v))
	case uint32:
		w.octet('i')
		w.long(v)
	case int64:
		w.octet('l')
		w.longlong(uint64(v))
	case int:
		if int64(v) == int64(int32(v)) {
			return w.value(int32(v), depth)
		}
		return w.value(int64(v), depth)
	case uint:
		return w.value(uint64(v), depth)
	case uint64:
		if v > math.MaxInt64 {
			return &EncodeError{Reason: "is above the largest integer that AMQP carries, 2^63-1"}
		}
		return w.value(int64(v), depth)
	case float32:
		w.octet('f')
		w.long(math.Float32bits(v))
	case float64:
		w.octet('d')
		w.longlong(math.Float64bits(v))
	case Decimal:
		w.tagged('D', v.Scale)
		w.long(uint32(v.Value))
	case time.Time:
		w.octet('T')
		w.longlong(seconds(v))
	default:
		return w.sized(v, depth)
	}
	return nil
}

// sized appends those values that have a length in front.
func (w *writer) sized(v any, depth int) *EncodeError {
	switch v := v.(type) {
	case string:
		w.octet('S')
		w.longstr("", v)
	case []byte:
		w.octet('x')
		w.bytes("", v)
	case Table:
		w.octet('F')
		return w.entriesOf(v, depth)
	case map[string]any:
		w.octet('F')
		return w.entriesOf(v, depth)
	case []any:
		w.octet('A')
		return w.elements(v, depth)
	default:
		// Not by %T, for which every value would have to be allocated.
		return &EncodeError{Reason: "is a " + reflect.TypeOf(v).String() + ", which has no field type"}
	}
	return nil
}

func (w *writer) tagged(tag, v uint8) { w.b = append(w.b, tag, v) }
