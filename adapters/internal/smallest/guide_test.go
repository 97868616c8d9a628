package smallest_test

import (
	"os"
	"strings"
	"testing"
)

// TestGuide: the guide shows the file whole and in order, and the test of it.
func TestGuide(t *testing.T) {
	rest := strings.TrimSpace(read(t, "smallest.go"))
	test := read(t, "smallest_test.go")
	for _, part := range strings.Split(read(t, "../../README.md"), "\n```go\n")[1:] {
		block, _, closed := strings.Cut(part, "\n```\n")
		if !closed {
			t.Fatal("a block of code has no end")
		}
		if after, ok := strings.CutPrefix(rest, block); ok {
			rest = strings.TrimSpace(after)
		} else if !strings.Contains(test, block) {
			t.Errorf("adapters/README.md shows code that is not what comes next in smallest.go, nor in its test:\n%s", block)
		}
	}
	if rest != "" {
		t.Errorf("adapters/README.md does not show the rest of smallest.go:\n%s", rest)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}
