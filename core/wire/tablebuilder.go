package wire

import (
	"bytes"
	"slices"
)

// TableBuilder encodes a table entry by entry, into memory that it keeps for the
// next one: for headers that differ from message to message. A Table is a new map
// each time, which takes several times as long to fill, sort and encode. The zero
// value is an empty table. Not for concurrent use.
//
//	var headers wire.TableBuilder // kept
//	...
//	headers.Reset()
//	headers.Add("tenant", tenant)
//	headers.Add("retries", retries)
//	props.RawHeaders, err = headers.Table()
type TableBuilder struct {
	w     writer
	keys  uint64 // a bit for each, which several may share
	twice bool   // two did, so that they may be the same
}

// Reset starts another table, in the memory of the last one, and forgets its error.
func (b *TableBuilder) Reset() {
	*b = TableBuilder{w: writer{b: b.w.b[:0]}}
}

// Add appends an entry. Types and limits are those of Table, and nothing of v is
// kept or allocated. After one that cannot be encoded all are ignored until Reset;
// Table has the error.
func (b *TableBuilder) Add(key string, v any) {
	if b.w.err != nil {
		return
	}
	bit := keyBit(key)
	b.twice = b.twice || b.keys&bit != 0
	b.keys |= bit
	if err := b.add(key, v); err != nil {
		b.w.err = err.under("table")
	}
}

func (b *TableBuilder) add(key string, v any) *EncodeError {
	if err := b.w.spend(1); err != nil {
		return err
	}
	return b.w.entry(key, v, maxDepth-1)
}

// keyBit is one of 64 bits.
func keyBit(key string) uint64 {
	n := len(key)
	if n == 0 {
		return 1
	}
	return 1 << ((n + int(key[n/2])<<2 + int(key[n-1])) % 64)
}

// Table is the entries so far, in the order in which they were added; never nil
// without an error, and valid until Reset. The error, a *EncodeError, is that of the
// first Add that failed, or names a key that was added twice.
func (b *TableBuilder) Table() (RawTable, error) {
	if b.twice && b.w.err == nil {
		b.w.err = unique(b.w.b)
	}
	if b.w.err != nil {
		return nil, b.w.err
	}
	if b.w.b == nil {
		return RawTable{}, nil
	}
	return RawTable(b.w.b), nil
}

// unique tells of a key that is there twice.
func unique(t RawTable) *EncodeError {
	var few [16][]byte
	keys := few[:0]
	for e := range t.All() {
		keys = append(keys, e.Key)
	}
	slices.SortFunc(keys, bytes.Compare)
	for i := 1; i < len(keys); i++ {
		if string(keys[i]) == string(keys[i-1]) {
			return (&EncodeError{Path: string(keys[i]), Reason: "was added twice"}).under("table")
		}
	}
	return nil
}
