package wire

import (
	"encoding/binary"
	"math"
	"time"
)

// RawValue is a value of a table as the wire has it: the tag of its type, as
// listed at Table, and its bytes. It aliases the table that it is from.
//
// The accessors allocate nothing; their ok is false for values of other types,
// and for bytes that are no whole value, which no table yields.
type RawValue []byte

// Tag tells the type, such as 'S' for a string; 0 if there is no value.
func (v RawValue) Tag() byte {
	if len(v) == 0 {
		return 0
	}
	return v[0]
}

// fixed is the bytes of a value of a type that has one size, else nil.
func (v RawValue) fixed() []byte {
	if len(v) < 2 || len(v) != int(sizes[v[0]]) {
		return nil
	}
	return v[1:]
}

// Bool is a bool.
func (v RawValue) Bool() (b, ok bool) {
	if p := v.fixed(); p != nil && v[0] == 't' {
		return p[0] != 0, true
	}
	return false, false
}

// Int64 is an integer, of any of the types for them.
func (v RawValue) Int64() (n int64, ok bool) {
	p := v.fixed()
	if p == nil {
		return 0, false
	}
	switch v[0] {
	case 'b':
		return int64(int8(p[0])), true
	case 'B':
		return int64(p[0]), true
	case 's', 'U':
		return int64(int16(binary.BigEndian.Uint16(p))), true
	case 'u':
		return int64(binary.BigEndian.Uint16(p)), true
	case 'I':
		return int64(int32(binary.BigEndian.Uint32(p))), true
	case 'i':
		return int64(binary.BigEndian.Uint32(p)), true
	case 'l', 'L':
		return int64(binary.BigEndian.Uint64(p)), true
	}
	return 0, false
}

// Float64 is a float32 or float64.
func (v RawValue) Float64() (f float64, ok bool) {
	p := v.fixed()
	switch {
	case p != nil && v[0] == 'd':
		return math.Float64frombits(binary.BigEndian.Uint64(p)), true
	case p != nil && v[0] == 'f':
		return float64(math.Float32frombits(binary.BigEndian.Uint32(p))), true
	}
	return 0, false
}

// Bytes is a string or a []byte, aliasing v.
func (v RawValue) Bytes() (b []byte, ok bool) {
	const start = 5 // behind the tag and the length
	if len(v) < start || v[0] != 'S' && v[0] != 'x' || uint64(binary.BigEndian.Uint32(v[1:])) != uint64(len(v)-start) {
		return nil, false
	}
	return v[start:], true
}

// Time is a time, in UTC.
func (v RawValue) Time() (t time.Time, ok bool) {
	if p := v.fixed(); p != nil && v[0] == 'T' {
		return fromSeconds(binary.BigEndian.Uint64(p)), true
	}
	return time.Time{}, false
}

// Decode is the value as in Table, whatever its type. It does not alias v. The
// error is a *DecodeError.
func (v RawValue) Decode() (any, error) {
	decoded, err := v.decode(0)
	if err != nil {
		return nil, err
	}
	return decoded, nil
}

// decode adds base to the offset that it reports.
func (v RawValue) decode(base int) (any, *DecodeError) {
	r := reader{p: v, end: len(v), entries: maxEntries}
	decoded := r.value("table", maxDepth-1)
	if err := r.finish(); err != nil {
		err.Offset += base
		return nil, err
	}
	return decoded, nil
}
