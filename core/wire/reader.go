package wire

import (
	"encoding/binary"
	"fmt"
)

// reader takes fields from p, front to back. The first failure sticks and puts
// the rest of the bytes out of reach, so that later reads yield zero values and
// callers look at it once, at the end.
type reader struct {
	p       []byte
	off     int
	end     int // of what may be read: all of p, or the table being decoded
	intern  *Interner
	limits  Limits
	entries int    // that the table may still have
	text    string // a copy of the table, or of all, of which strings are parts
	origin  int    // where in p that starts
	err     *DecodeError
}

func (r *reader) fail(field string, offset int, format string, args ...any) {
	if r.err == nil {
		r.err = &DecodeError{Field: field, Offset: offset, Reason: fmt.Sprintf(format, args...), Code: SyntaxError}
	}
	r.off = r.end
}

// missing is the failure of a read of n bytes.
func (r *reader) missing(field string, n uint32) {
	r.fail(field, r.off, "%d bytes are needed, %d are left", n, r.end-r.off)
}

// finish demands that nothing is left over.
func (r *reader) finish() *DecodeError {
	if r.err == nil && r.off < len(r.p) {
		r.fail("end", r.off, "%d bytes are left over", len(r.p)-r.off)
	}
	return r.err
}

// take is the next n bytes, or nil when there are fewer.
func (r *reader) take(field string, n uint32) []byte {
	if uint64(n) > uint64(r.end-r.off) {
		r.missing(field, n)
		return nil
	}
	p := r.p[r.off : r.off+int(n)]
	r.off += int(n)
	return p
}

func (r *reader) octet(field string) uint8 {
	if p := r.take(field, 1); p != nil {
		return p[0]
	}
	return 0
}

func (r *reader) short(field string) uint16 {
	if p := r.take(field, 2); p != nil {
		return binary.BigEndian.Uint16(p)
	}
	return 0
}

func (r *reader) long(field string) uint32 {
	if p := r.take(field, 4); p != nil {
		return binary.BigEndian.Uint32(p)
	}
	return 0
}

func (r *reader) longlong(field string) uint64 {
	if p := r.take(field, 8); p != nil {
		return binary.BigEndian.Uint64(p)
	}
	return 0
}

// shortBytes aliases what is read.
func (r *reader) shortBytes(field string) []byte {
	if r.off < r.end {
		start := r.off + 1
		if end := start + int(r.p[r.off]); end <= r.end {
			r.off = end
			return r.p[start:end]
		}
	}
	return r.take(field, uint32(r.octet(field))) // fails
}

// longBytes aliases what is read.
func (r *reader) longBytes(field string) []byte { return r.take(field, r.long(field)) }

// shortstr is was, the string that it replaces, where that is the same.
func (r *reader) shortstr(field, was string) string {
	p := r.shortBytes(field)
	if string(p) == was {
		return was
	}
	if r.intern != nil {
		return r.intern.String(p)
	}
	return string(p)
}

func (r *reader) longstr(field string) string { return string(r.longBytes(field)) }

// bytes copies.
func (r *reader) bytes(field string) []byte { return append([]byte(nil), r.longBytes(field)...) }

// secret is never interned.
func (r *reader) secret(field string) Secret { return NewSecret(string(r.longBytes(field))) }

func (r *reader) code(field string) Code { return Code(r.short(field)) }

func (r *reader) method(field string) MethodID { return MethodID(r.long(field)) }

// table is nil when the table is empty.
func (r *reader) table(field string) Table {
	text := r.text
	r.entries = r.limits.entries()
	t := r.entriesOf(field, r.limits.depth())
	r.text = text
	if len(t) == 0 {
		return nil
	}
	return t
}
