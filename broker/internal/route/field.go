package route

import (
	"bytes"
	"math"

	"github.com/haypile/haypile/core/wire"
)

// field is an entry of an encoded table.
type field struct {
	key   []byte
	value wire.RawValue
}

func (a field) compare(b field) int { return bytes.Compare(a.key, b.key) }

// equal compares values as RabbitMQ does, which looks at values more than at
// types: numbers and timestamps by what they count, strings and byte arrays by
// their bytes. Tables and arrays are compared as they are encoded.
func (a *field) equal(b *field) bool {
	i, isInt := a.integer()
	j, isToo := b.integer()
	if isInt && isToo {
		return i == j
	}
	x, isFloat := a.value.Float64()
	y, isFloatToo := b.value.Float64()
	switch {
	case isFloat && isFloatToo:
		return x == y
	case isFloat && isToo:
		return sameNumber(x, j)
	case isInt && isFloatToo:
		return sameNumber(y, i)
	}
	return family(a.value.Tag()) == family(b.value.Tag()) && bytes.Equal(a.value[1:], b.value[1:])
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
	if v, ok = a.value.Int64(); ok {
		return v, true
	}
	t, ok := a.value.Time()
	return t.Unix(), ok
}
