package sink

import (
	"encoding/binary"
	"errors"
)

// errShort is a method that ends before its arguments do.
var errShort = errors.New("a method is too short")

// arguments are those of a method that are still to be read. What is not there reads
// as zero, and is noted in short.
type arguments struct {
	rest  []byte
	short bool
}

// next are the next n bytes.
func (a *arguments) next(n int) []byte {
	if n > len(a.rest) {
		a.short = true
		a.rest = nil
		return make([]byte, n)
	}
	p := a.rest[:n]
	a.rest = a.rest[n:]
	return p
}

func (a *arguments) octet() byte { return a.next(1)[0] }

func (a *arguments) uint16() uint16 { return binary.BigEndian.Uint16(a.next(2)) }

func (a *arguments) uint32() uint32 { return binary.BigEndian.Uint32(a.next(4)) }

func (a *arguments) uint64() uint64 { return binary.BigEndian.Uint64(a.next(8)) }

func (a *arguments) text() string { return string(a.next(int(a.octet()))) }

// err tells whether something was not there.
func (a *arguments) err() error {
	if a.short {
		return errShort
	}
	return nil
}
