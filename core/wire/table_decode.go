package wire

import (
	"encoding/binary"
	"math"
)

// entriesOf decodes a table with its length in front. depth counts the levels
// that are still allowed, this one included.
func (r *reader) entriesOf(field string, depth int) Table {
	n := r.long(field)
	if !r.within(field, n, depth) || n == 0 {
		return Table{}
	}
	return r.pairs(field, int(n), depth)
}

// pairs decodes n bytes of table entries.
func (r *reader) pairs(field string, n, depth int) Table {
	outer := r.enter(n)
	t := make(Table)
	for r.off < r.end && r.spend(field) {
		if key, v, ok := r.pair(); ok {
			t[key] = v
			continue
		}
		key := r.shared(r.shortBytes(field))
		t[key] = r.value(field, depth-1)
	}
	r.leave(outer)
	return t
}

// pair decodes an entry of one of the types that headers mostly have, in one go.
// When ok is false, nothing was taken: the entry is of another type, or not
// whole.
func (r *reader) pair() (key string, v any, ok bool) {
	p := r.p[r.off:r.end]
	at := 1 + int(p[0])
	if len(p) < at+9 { // the longest of the fixed types, tag included
		return "", nil, false
	}
	n := at + 1
	switch value := p[at+1:]; p[at] {
	case 'S':
		size := binary.BigEndian.Uint32(value)
		if uint64(size) > uint64(len(value)-4) {
			return "", nil, false
		}
		start := r.off - r.origin + n + 4
		v = r.text[start : start+int(size)]
		n += 4 + int(size)
	case 't':
		v = value[0] != 0
		n++
	case 'I':
		v = int32(binary.BigEndian.Uint32(value))
		n += 4
	case 'l':
		v = int64(binary.BigEndian.Uint64(value))
		n += 8
	default:
		return "", nil, false
	}
	start := r.off - r.origin + 1
	key = r.text[start : start+at-1]
	r.off += n
	return key, v, true
}

// elements decodes an array with its length in front.
func (r *reader) elements(field string, depth int) []any {
	n := r.long(field)
	if !r.within(field, n, depth) || n == 0 {
		return []any{}
	}
	outer := r.enter(int(n))
	var a []any
	for r.off < r.end && r.spend(field) {
		a = append(a, r.value(field, depth-1))
	}
	r.leave(outer)
	return a
}

// enter confines reading to the next n bytes. The outermost table is copied
// once, for all its strings to be parts of, unless all that is read has been.
func (r *reader) enter(n int) (outer int) {
	if r.text == "" {
		r.text, r.origin = string(r.p[r.off:r.off+n]), r.off
	}
	outer = r.end
	r.end = r.off + n
	return outer
}

func (r *reader) leave(outer int) {
	if r.err == nil {
		r.end = outer
	}
}

// shared is string(p) for the bytes just read, as part of the copy if there is
// one.
func (r *reader) shared(p []byte) string {
	if r.text == "" {
		return string(p)
	}
	at := r.off - r.origin
	return r.text[at-len(p) : at]
}

// within checks that a nested value of n bytes is there and not too deep.
func (r *reader) within(field string, n uint32, depth int) bool {
	switch {
	case uint64(n) > uint64(r.end-r.off):
		r.missing(field, n)
	case depth <= 0:
		r.fail(field, r.off, "nested too deep")
	}
	return r.err == nil
}

// spend takes one entry from the allowance.
func (r *reader) spend(field string) bool {
	if r.entries--; r.entries < 0 {
		r.fail(field, r.off, "too many entries")
	}
	return r.err == nil
}

// value decodes a tag and what it announces; depth is for tables and arrays.
func (r *reader) value(field string, depth int) any {
	at := r.off
	switch tag := r.octet(field); tag {
	case 't':
		return r.octet(field) != 0
	case 'b':
		return int8(r.octet(field))
	case 'B':
		return r.octet(field)
	case 's', 'U':
		return int16(r.short(field))
	case 'u':
		return r.short(field)
	case 'I':
		return int32(r.long(field))
	case 'i':
		return r.long(field)
	case 'l', 'L':
		return int64(r.longlong(field))
	case 'f':
		return math.Float32frombits(r.long(field))
	case 'd':
		return math.Float64frombits(r.longlong(field))
	case 'D':
		return Decimal{Scale: r.octet(field), Value: int32(r.long(field))}
	case 'S':
		return r.shared(r.longBytes(field))
	case 'x':
		return append([]byte{}, r.longBytes(field)...)
	case 'T':
		return fromSeconds(r.longlong(field))
	case 'F':
		return r.entriesOf(field, depth)
	case 'A':
		return r.elements(field, depth)
	case 'V':
		return nil
	default:
		r.fail(field, at, "unknown field type %q", rune(tag))
		return nil
	}
}

// sizes of the values that do not tell their own, by tag, the tag counted in;
// 0 for all others.
var sizes = [256]uint8{
	't': 2, 'b': 2, 'B': 2, 's': 3, 'U': 3, 'u': 3, 'I': 5, 'i': 5, 'f': 5,
	'D': 6, 'l': 9, 'L': 9, 'd': 9, 'T': 9, 'V': 1,
}

// skipValue passes over a tag and what it announces.
func (r *reader) skipValue(field string) {
	if r.off < r.end {
		if n := int(sizes[r.p[r.off]]); n > 0 && n <= r.end-r.off {
			r.off += n
			return
		}
	}
	at := r.off
	switch tag := r.octet(field); tag {
	case 'S', 'x', 'F', 'A':
		r.longBytes(field)
	default:
		if n := sizes[tag]; n > 0 {
			r.take(field, uint32(n)-1)
			return
		}
		r.fail(field, at, "unknown field type %q", rune(tag))
	}
}
