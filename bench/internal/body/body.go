// Package body makes the bodies of benchmarks: what they hold shows when a message
// has the bytes of another, or its own at a wrong place.
//
// A body of the message number n begins with n, if it is of eight bytes or more, and
// ends with the lowest byte of n, if it is of nine or more. Between, each byte says
// where it stands, modulo a prime, so that no power of two and no frame's length is
// a multiple of it.
package body

import (
	"encoding/binary"
	"fmt"
)

// numberSize is the length of the number in front.
const numberSize = 8

const prime = 251

// New is a body of so many bytes, of the message number 0.
func New(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i % prime)
	}
	Number(b, 0)
	return b
}

// Number has b be the body of message n. It changes nothing but the ends of b, which
// may have heads of frames within.
func Number(b []byte, n uint64) {
	if len(b) < numberSize {
		return
	}
	binary.BigEndian.PutUint64(b, n)
	if len(b) > numberSize {
		b[len(b)-1] = byte(n)
	}
}

// Check tells whether b may be the body of message n, of which it looks at the
// beginning, the middle and the end, so that looking costs next to nothing.
func Check(b []byte, size int, n uint64) error {
	if len(b) != size {
		return fmt.Errorf("message %d has %d bytes, not %d", n, len(b), size)
	}
	if size > numberSize && binary.BigEndian.Uint64(b) == n && b[size-1] == byte(n) && (size/2 < numberSize || b[size/2] == byte(size/2%prime)) {
		return nil
	}
	for i := range b { // which tells where, if anything is wrong
		if err := CheckPart(b[i:i+1], size, i, n); err != nil {
			return err
		}
	}
	return nil
}

// CheckPart tells whether p may be what stands at an offset in the body of message
// n. It looks at the ends of p.
func CheckPart(p []byte, size, offset int, n uint64) error {
	if len(p) == 0 {
		return nil
	}
	if last := offset + len(p) - 1; last >= size {
		return fmt.Errorf("message %d has more than %d bytes", n, size)
	}
	for _, i := range [...]int{0, len(p) - 1} {
		if want := at(size, offset+i, n); p[i] != want {
			return fmt.Errorf("byte %d of %d in message %d is %d, not %d", offset+i, size, n, p[i], want)
		}
	}
	return nil
}

// at is the byte at an offset in the body of message n.
func at(size, offset int, n uint64) byte {
	switch {
	case size >= numberSize && offset < numberSize:
		return byte(n >> (8 * (numberSize - 1 - offset)))
	case size > numberSize && offset == size-1:
		return byte(n)
	}
	return byte(offset % prime)
}
