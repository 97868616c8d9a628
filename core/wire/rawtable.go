package wire

import "iter"

// RawTable is the bytes of a table without the length in front, as a message
// header has them: for reading entries without decoding all, and for sending
// them on. A TableBuilder makes one.
type RawTable []byte

// RawEntry is an entry of a RawTable, aliasing it: string(e.Key) compares
// without an allocation, and Value decodes on demand.
type RawEntry struct {
	Key   []byte
	Value RawValue
}

// All are the entries in the order of the wire, those with the same key too, of
// which the last counts. It allocates nothing, and does not look inside nested
// tables and arrays. An error is a *DecodeError and comes last.
func (t RawTable) All() iter.Seq2[RawEntry, error] {
	return func(yield func(RawEntry, error) bool) { t.each(yield) }
}

// each is apart from All for that to be inlined, and so its closure not to be
// allocated.
func (t RawTable) each(yield func(RawEntry, error) bool) {
	r := reader{p: t, end: len(t)}
	for r.off < r.end {
		key, value := r.entry()
		if r.err != nil {
			yield(RawEntry{}, r.err)
			return
		}
		if !yield(RawEntry{key, value}, nil) {
			return
		}
	}
}

// entry takes an entry without decoding its value.
func (r *reader) entry() (key []byte, v RawValue) {
	key = r.shortBytes("table")
	start := r.off
	r.skipValue("table")
	return key, RawValue(r.p[start:r.off:r.off])
}

// Field is the value of the entry with the given key, aliasing t. ok is false when
// there is none. All entries are passed over, so that the error, a *DecodeError,
// does not depend on the key.
func (t RawTable) Field(key string) (v RawValue, ok bool, err error) {
	v, _, fault := t.find(key)
	if fault != nil {
		return nil, false, fault
	}
	return v, v != nil, nil
}

// find is Field with where in t the value starts.
func (t RawTable) find(key string) (v RawValue, at int, err *DecodeError) {
	r := reader{p: t, end: len(t)}
	for r.off < r.end {
		if k, value := r.entry(); string(k) == key {
			v, at = value, r.off-len(value)
		}
	}
	return v, at, r.err
}

// Lookup decodes the entry with the given key and passes over all others. ok is
// false when there is none. v is as in Table and does not alias t. The error is
// a *DecodeError.
func (t RawTable) Lookup(key string) (v any, ok bool, err error) {
	raw, at, fault := t.find(key)
	if raw == nil && fault == nil {
		return nil, false, nil
	}
	if fault == nil {
		v, fault = raw.decode(at)
	}
	if fault != nil {
		return nil, false, fault
	}
	return v, true, nil
}

// Decode decodes all entries. The result is never nil without an error and does
// not alias t. The error is a *DecodeError.
func (t RawTable) Decode(l Limits) (Table, error) {
	r := reader{p: t, end: len(t), entries: l.entries()}
	table := r.pairs("table", len(t), l.depth())
	if r.err != nil {
		return nil, r.err
	}
	return table, nil
}
