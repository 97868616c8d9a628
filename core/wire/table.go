package wire

import (
	"bytes"
	"time"
)

// Table is a field table (AMQP 0-9-1 section 4.2.5.5, with the types as
// RabbitMQ has them): message headers, arguments of declarations. Its values
// and their tags on the wire:
//
//	bool t; int8 b; uint8 B; int16 s; uint16 u; int32 I; uint32 i; int64 l
//	int, uint, uint64   I if it fits (int only), else l; above math.MaxInt64 an error
//	float32 f; float64 d; Decimal D
//	string S; []byte x
//	time.Time T         in whole seconds since 1970, rounded down, negative before
//	Table, map[string]any F; []any A; nil V
//
// Other types are errors that name the path, as are keys of more than 255
// bytes, nesting deeper than 32 (a table that contains itself is), and more than
// 65536 entries in all. Keys are encoded in sorted order, so that equal tables
// have equal bytes.
//
// Decoding gives the same types back, int as int32 or int64, map[string]any as
// Table, times in UTC, and accepts the tags L (int64) and U (int16), which
// other clients send. Of several entries with one key the last counts. Strings
// of one table share memory.
type Table map[string]any

// Decimal is the number Value / 10^Scale. Trailing zeros are kept.
type Decimal struct {
	Scale uint8
	Value int32
}

// Limits bound what decoding a table may cost, whatever its bytes say. Zero or
// negative fields stand for the defaults.
type Limits struct {
	// Depth is how far tables and arrays may be nested, the outermost counting
	// one. Default 32.
	Depth int
	// Entries is how many entries and array elements a table may have, those
	// of nested ones included. Default 65536.
	Entries int
}

const (
	maxDepth   = 32
	maxEntries = 1 << 16
)

func (l Limits) depth() int {
	if l.Depth <= 0 {
		return maxDepth
	}
	return l.Depth
}

func (l Limits) entries() int {
	if l.Entries <= 0 {
		return maxEntries
	}
	return l.Entries
}

// AppendTo appends the table with its length in front. The error is a
// *EncodeError; dst is then returned with its original length.
func (t Table) AppendTo(dst []byte) ([]byte, error) {
	w := writer{b: dst, start: len(dst)}
	w.table("table", t)
	return w.end(0)
}

// Validate returns the error that AppendTo would return.
func (t Table) Validate() error {
	_, err := t.AppendTo(nil)
	return err
}

// Clone is a copy that shares no table, array or []byte with t, down to the
// depth that can be encoded.
func (t Table) Clone() Table { return t.clone(maxDepth) }

func (t Table) clone(depth int) Table {
	if t == nil {
		return nil
	}
	c := make(Table, len(t))
	for k, v := range t {
		c[k] = cloneValue(v, depth-1)
	}
	return c
}

func cloneValue(v any, depth int) any {
	if depth <= 0 {
		return v
	}
	switch v := v.(type) {
	case Table:
		return v.clone(depth)
	case map[string]any:
		return map[string]any(Table(v).clone(depth))
	case []any:
		if v == nil {
			return v
		}
		c := make([]any, len(v))
		for i := range v {
			c[i] = cloneValue(v[i], depth-1)
		}
		return c
	case []byte:
		return bytes.Clone(v)
	}
	return v
}

// seconds is a timestamp on the wire. The specification calls it unsigned;
// times before 1970 travel as two's complement, as other clients have it.
func seconds(t time.Time) uint64 { return uint64(t.Unix()) }

func fromSeconds(s uint64) time.Time { return time.Unix(int64(s), 0).UTC() }
