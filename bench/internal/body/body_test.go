package body

import (
	"bytes"
	"fmt"
	"testing"
)

var sizes = []int{0, 1, 7, 8, 9, 15, 16, 17, 64, 300, 64 << 10, 1 << 20}

func numbered(size int, n uint64) []byte {
	b := New(size)
	Number(b, n)
	return b
}

func TestAMessageHasItsOwnBody(t *testing.T) {
	for _, size := range sizes {
		for _, n := range []uint64{0, 1, 255, 256, 1_000_000} {
			b := numbered(size, n)
			if err := Check(b, size, n); err != nil {
				t.Error(err)
			}
			for _, part := range []int{1, 3, 100, 4088, 128<<10 - 8} {
				at := 0
				for p := range chunks(b, part) {
					if err := CheckPart(p, size, at, n); err != nil {
						t.Fatal(err)
					}
					at += len(p)
				}
			}
		}
	}
}

// chunks are at most a thousand parts, the first and the last among them.
func chunks(b []byte, n int) func(func([]byte) bool) {
	n = max(n, len(b)/1000)
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			k := min(n, len(b))
			if !yield(b[:k]) {
				return
			}
			b = b[k:]
		}
	}
}

func TestTheBodyOfAnotherMessageIsTold(t *testing.T) {
	for _, size := range sizes {
		if size < numberSize {
			continue // too short for a number
		}
		for _, other := range []uint64{0, 6, 7 + 256, 7 + 1<<32} {
			if Check(numbered(size, other), size, 7) == nil {
				t.Errorf("%d bytes of message %d were taken for those of message 7", size, other)
			}
		}
	}
}

func TestBytesAtAWrongPlaceAreTold(t *testing.T) {
	const size, n = 300_000, 7
	b := numbered(size, n)
	for name, wrong := range map[string][]byte{
		"one missing":            b[:size-1],
		"one too many":           append(bytes.Clone(b), 0),
		"all shifted by one":     append([]byte{1}, b[:size-1]...),
		"a frame in the middle":  append(append(bytes.Clone(b[:128<<10]), b[:128<<10]...), b[256<<10:]...),
		"nothing but zeros":      make([]byte, size),
		"zeros after the number": append(bytes.Clone(b[:8]), make([]byte, size-8)...),
	} {
		if Check(wrong, size, n) == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
}

func TestAPartAtAWrongPlaceIsTold(t *testing.T) {
	const size, n = 1 << 20, 7
	b := numbered(size, n)
	const frame = 128<<10 - 8
	for _, at := range []int{0, 1, frame - 1, frame + 1, 2 * frame, size - frame/2} {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			if CheckPart(b[frame:2*frame], size, at, n) == nil {
				t.Error("it was taken")
			}
		})
	}
}

func TestLookingAtABodyAllocatesNothing(t *testing.T) {
	b := numbered(64, 3)
	if got := testing.AllocsPerRun(100, func() {
		if err := Check(b, 64, 3); err != nil {
			t.Fatal(err)
		}
	}); got > 0 {
		t.Errorf("%v allocations", got)
	}
}
