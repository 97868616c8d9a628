package wire

import "encoding/binary"

// Interner turns bytes that come again and again (exchange names, routing keys,
// consumer tags) into strings without allocating each time. It remembers at
// most 64 strings of at most 255 bytes, newer ones displacing older ones, so a
// peer that varies them costs no more than without an Interner. The zero value
// is ready and holds no memory before its first use. Not safe for concurrent
// use.
type Interner struct {
	sets *[internSets][2]string // two places per hash, the last used first
}

const (
	internSets    = 32
	internLongest = 255
)

// String is string(p), shared with earlier calls where possible.
func (in *Interner) String(p []byte) string {
	if len(p) == 0 {
		return ""
	}
	if len(p) > internLongest {
		return string(p)
	}
	if in.sets == nil {
		in.sets = new([internSets][2]string)
	}
	set := &in.sets[internHash(p)%internSets]
	if set[0] == string(p) {
		return set[0]
	}
	if set[1] == string(p) {
		set[0], set[1] = set[1], set[0]
		return set[0]
	}
	set[0], set[1] = string(p), set[0]
	return set[0]
}

// internHash looks at both ends and the middle. It need not tell all strings
// apart nor withstand an adversary: a collision costs one allocation.
func internHash(p []byte) uint32 {
	const odd = 0x9E3779B97F4A7C15
	h := uint64(len(p))
	switch n := len(p); {
	case n >= 8:
		h ^= binary.LittleEndian.Uint64(p)
		h = h*odd ^ binary.LittleEndian.Uint64(p[n/2-4:])
		h = h*odd ^ binary.LittleEndian.Uint64(p[n-8:])
	case n >= 4:
		h ^= uint64(binary.LittleEndian.Uint32(p)) << 8
		h = h*odd ^ uint64(binary.LittleEndian.Uint32(p[n-4:]))
	default:
		h ^= uint64(p[0])<<24 | uint64(p[n/2])<<16 | uint64(p[n-1])<<8
	}
	return uint32(h * odd >> 32)
}
