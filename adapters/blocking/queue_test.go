package blocking

import "testing"

func TestABatchKeepsItsMemoryWhileItIsUsedNowAndThen(t *testing.T) {
	var b batch
	large := func() {
		b.ops = append(b.ops[:0], make([]op, 4*keepOps)...)
		b.bytes = append(b.bytes[:0], make([]byte, 4*keepBytes)...)
		b.reset()
	}
	small := func() {
		b.ops, b.bytes = append(b.ops, op{}), append(b.bytes, 1)
		b.reset()
	}
	large()
	for range 50 {
		for range 5 {
			small()
		}
		if cap(b.ops) < 4*keepOps || cap(b.bytes) < 4*keepBytes {
			t.Fatalf("room for %d operations and %d bytes is left", cap(b.ops), cap(b.bytes))
		}
		large()
	}
	for range 100 {
		small()
	}
	if cap(b.ops) > keepOps || cap(b.bytes) > keepBytes {
		t.Errorf("room for %d operations and %d bytes is kept for one", cap(b.ops), cap(b.bytes))
	}
}
