package wire

import (
	"encoding/binary"
	"fmt"
	"math"
)

// writer appends fields. The first failure sticks; later appends are harmless
// and thrown away by end.
type writer struct {
	b       []byte
	start   int // the length to go back to
	entries int // of the table so far
	err     *EncodeError
}

// begin starts a method behind dst.
func begin(dst []byte, id MethodID) writer {
	return writer{b: binary.BigEndian.AppendUint32(dst, uint32(id)), start: len(dst)}
}

// end is what AppendTo returns.
func (w *writer) end(id MethodID) ([]byte, error) {
	if w.err != nil {
		w.err.Method = id
		return w.b[:w.start], w.err
	}
	return w.b, nil
}

func (w *writer) fail(path, format string, args ...any) {
	if w.err == nil {
		w.err = &EncodeError{Path: path, Reason: fmt.Sprintf(format, args...)}
	}
}

func (w *writer) octet(v uint8)     { w.b = append(w.b, v) }
func (w *writer) short(v uint16)    { w.b = binary.BigEndian.AppendUint16(w.b, v) }
func (w *writer) long(v uint32)     { w.b = binary.BigEndian.AppendUint32(w.b, v) }
func (w *writer) longlong(v uint64) { w.b = binary.BigEndian.AppendUint64(w.b, v) }

func (w *writer) shortstr(field, s string) {
	if len(s) > math.MaxUint8 {
		w.fail(field, "is %d bytes, the limit is 255", len(s))
		return
	}
	w.b = append(append(w.b, byte(len(s))), s...)
}

func (w *writer) longstr(field, s string) {
	if w.fits(field, len(s)) {
		w.long(uint32(len(s)))
		w.b = append(w.b, s...)
	}
}

func (w *writer) bytes(field string, p []byte) {
	if w.fits(field, len(p)) {
		w.long(uint32(len(p)))
		w.b = append(w.b, p...)
	}
}

func (w *writer) fits(field string, n int) bool {
	if uint64(n) > math.MaxUint32 {
		w.fail(field, "is %d bytes, the limit is 4 GiB", n)
		return false
	}
	return true
}

func (w *writer) table(field string, t Table) {
	w.entries = 0
	if err := w.entriesOf(t, maxDepth); err != nil && w.err == nil {
		w.err = err.under(field)
	}
}

// bit is 1 for true. Consecutive bits share an octet, the first in the lowest
// place (AMQP 0-9-1 section 4.2.5.2).
func bit(v bool) uint8 {
	if v {
		return 1
	}
	return 0
}
