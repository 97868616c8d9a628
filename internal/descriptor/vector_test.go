//go:build unix

package descriptor_test

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"

	"github.com/haypile/haypile/internal/descriptor"
)

// pair is a socket that does not block and its peer.
func pair(t *testing.T) (ours, peer int) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fds[0]); syscall.Close(fds[1]) })
	if err := syscall.SetNonblock(fds[0], true); err != nil {
		t.Fatal(err)
	}
	return fds[0], fds[1]
}

func receive(t *testing.T, fd, n int) []byte {
	t.Helper()
	all := make([]byte, n)
	for at := 0; at < n; {
		got, err := syscall.Read(fd, all[at:])
		if err != nil || got == 0 {
			t.Fatalf("after %d bytes of %d: read %d, %v", at, n, got, err)
		}
		at += got
	}
	return all
}

func TestPiecesArriveInOrder(t *testing.T) {
	ours, peer := pair(t)
	for _, sizes := range [][]int{{5}, {1, 2, 3}, {0, 7, 0, 20000, 1}} {
		v := descriptor.NewVector()
		var want []byte
		for i, n := range sizes {
			p := bytes.Repeat([]byte{byte('a' + i)}, n)
			want = append(want, p...)
			if !v.Add(p, 1<<20) {
				t.Fatalf("no room for %d bytes", n)
			}
		}
		if n, err := v.Write(ours); n != len(want) || err != nil || v.Size() != n {
			t.Fatalf("wrote %d of %d: %v", n, v.Size(), err)
		}
		v.Free()
		if got := receive(t, peer, len(want)); !bytes.Equal(got, want) {
			t.Errorf("%v came otherwise", sizes)
		}
	}
}

func TestAKernelThatTakesNoMoreIsTold(t *testing.T) {
	ours, peer := pair(t)
	p := make([]byte, 4<<20)
	for i := range p {
		p[i] = byte(rand.Uint32())
	}
	at := 0
	for {
		v := descriptor.NewVector()
		v.Add(p[at:at+1000], 1<<20)
		v.Add(p[at+1000:at+200000], 1<<20)
		n, err := v.Write(ours)
		v.Free()
		if err == syscall.EAGAIN && at > 0 {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		at += n
	}
	if got := receive(t, peer, at); !bytes.Equal(got, p[:at]) {
		t.Error("what was taken came otherwise")
	}
}

func TestMuchIsWrittenDirectlyWhereLittleWaits(t *testing.T) {
	much := make([]byte, 16<<10)
	half := much[:len(much)/2]
	for name, c := range map[string]struct {
		waiting int
		pieces  [][]byte
		want    bool
	}{
		"much":                 {0, [][]byte{much}, true},
		"much behind a little": {len(half), [][]byte{much}, true},
		"much behind much":     {len(much), [][]byte{much}, false},
		"a little":             {0, [][]byte{half}, false},
		"a little behind some": {len(half), [][]byte{half}, false},
		"much in pieces":       {0, [][]byte{half, half}, runtime.GOOS == "linux"},
	} {
		if got := descriptor.Pays(c.waiting, c.pieces); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestAVectorIsBounded(t *testing.T) {
	v := descriptor.NewVector()
	defer v.Free()
	if v.Add(make([]byte, 30), 20) || v.Size() != 20 {
		t.Errorf("%d bytes of 30 are in it, the limit is 20", v.Size())
	}
	if v.Add([]byte("x"), 20) || v.Size() != 20 {
		t.Error("more was added")
	}
	many := descriptor.NewVector()
	defer many.Free()
	n := 0
	for many.Add([]byte("x"), 1<<20) {
		n++
	}
	if n++; many.Size() != n {
		t.Errorf("%d bytes are in it after %d pieces of one", many.Size(), n)
	}
	if many.Add([]byte("x"), 1<<20) || many.Size() != n {
		t.Error("more was added")
	}
}
