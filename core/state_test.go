package core

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestStateTableIsDocumented(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	documented := 0
	for line := range strings.SplitSeq(string(text), "\n") {
		if f := strings.Fields(line); len(f) == 4 && f[0] == "//" && strings.HasPrefix(f[2], "connection.") {
			documented++
		}
	}
	if documented != len(transitions) {
		t.Errorf("doc.go has %d transitions by methods, the code %d", documented, len(transitions))
	}
	for _, tr := range transitions {
		row := strings.Join(strings.Fields(fmt.Sprintf("%s %s %s", tr.in, tr.on, tr.next)), " ")
		found := false
		for line := range strings.SplitSeq(string(text), "\n") {
			found = found || strings.Join(strings.Fields(strings.TrimPrefix(line, "//")), " ") == row
		}
		if !found {
			t.Errorf("doc.go lacks %q", row)
		}
	}
}

func TestFifoKeepsItsOrder(t *testing.T) {
	var f fifo[int]
	next, want := 0, 0
	for round := range 300 {
		for range round % 7 {
			f.push(next)
			next++
		}
		for range round % 5 {
			if f.len() == 0 {
				break
			}
			if v := f.pop(); v != want {
				t.Fatalf("popped %d, want %d", v, want)
			}
			want++
		}
	}
	for f.len() > 0 {
		if v := f.pop(); v != want {
			t.Fatalf("popped %d, want %d", v, want)
		}
		want++
	}
	if len(f.ring) > fifoKeep {
		t.Errorf("an empty fifo keeps a ring of %d", len(f.ring))
	}
}

func TestFifoRemovesFromTheMiddle(t *testing.T) {
	var f fifo[int]
	for i := range 10 {
		f.push(i)
	}
	f.pop()
	if v := f.remove(4); v != 5 {
		t.Errorf("removed %d", v)
	}
	for _, want := range []int{1, 2, 3, 4, 6, 7, 8, 9} {
		if v := f.pop(); v != want {
			t.Errorf("popped %d, want %d", v, want)
		}
	}
}
