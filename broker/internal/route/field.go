package route

import (
	"bytes"
	"encoding/binary"
	"math"
)

// tableSize is the length in front of an encoded table.
const tableSize = 4

// field is an entry of an encoded table: the tag of its type and its bytes.
type field struct {
	key   []byte
	tag   byte
	value []byte
}

func (a field) compare(b field) int { return bytes.Compare(a.key, b.key) }

// parseField takes the first entry, n bytes long; n is 0 if it is not whole.
func parseField(p []byte) (f field, n int) {
	start := 1 + int(p[0]) + 1
	if len(p) < start {
		return field{}, 0
	}
	f.key, f.tag = p[1:start-1], p[start-1]
	size := valueSize(f.tag, p[start:])
	if size < 0 || size > len(p)-start {
		return field{}, 0
	}
	f.value = p[start : start+size]
	return f, start + size
}

// valueSize is how long a value of that type is which p starts with, -1 if that
// cannot be told.
func valueSize(tag byte, p []byte) int {
	switch tag {
	case 'V':
		return 0
	case 't', 'b', 'B':
		return 1
	case 's', 'u', 'U':
		return 2
	case 'i', 'I', 'f':
		return 4
	case 'D':
		return 5
	case 'l', 'L', 'd', 'T':
		return 8
	case 'S', 'x', 'A', 'F':
		if len(p) >= tableSize {
			return int(min(uint64(tableSize)+uint64(binary.BigEndian.Uint32(p)), math.MaxInt32))
		}
	}
	return -1
}

// equal compares values as RabbitMQ does, which looks at values more than at
// types: numbers and timestamps by what they count, strings and byte arrays by
// their bytes. Tables and arrays are compared as they are encoded.
func (a *field) equal(b *field) bool {
	i, isInt := a.integer()
	j, isToo := b.integer()
	if isInt && isToo {
		return i == j
	}
	x, isFloat := a.float()
	y, isFloatToo := b.float()
	switch {
	case isFloat && isFloatToo:
		return x == y
	case isFloat && isToo:
		return sameNumber(x, j)
	case isInt && isFloatToo:
		return sameNumber(y, i)
	}
	return family(a.tag) == family(b.tag) && bytes.Equal(a.value, b.value)
}

// sameNumber compares without rounding.
func sameNumber(f float64, i int64) bool {
	return f == math.Trunc(f) && f >= math.MinInt64 && f < math.MaxInt64 && int64(f) == i
}

// family is one tag for all types whose values can be equal.
func family(tag byte) byte {
	if tag == 'x' {
		return 'S'
	}
	return tag
}

func (a *field) integer() (v int64, ok bool) {
	switch a.tag {
	case 'b':
		return int64(int8(a.value[0])), true
	case 'B':
		return int64(a.value[0]), true
	case 's', 'U':
		return int64(int16(binary.BigEndian.Uint16(a.value))), true
	case 'u':
		return int64(binary.BigEndian.Uint16(a.value)), true
	case 'I':
		return int64(int32(binary.BigEndian.Uint32(a.value))), true
	case 'i':
		return int64(binary.BigEndian.Uint32(a.value)), true
	case 'l', 'L', 'T':
		return int64(binary.BigEndian.Uint64(a.value)), true
	}
	return 0, false
}

func (a *field) float() (v float64, ok bool) {
	switch a.tag {
	case 'f':
		return float64(math.Float32frombits(binary.BigEndian.Uint32(a.value))), true
	case 'd':
		return math.Float64frombits(binary.BigEndian.Uint64(a.value)), true
	}
	return 0, false
}
