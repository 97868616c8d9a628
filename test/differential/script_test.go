package differential

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// step is a command with its answers, or a line that is neither.
type step struct {
	line    int
	text    string
	answers []string
}

func (s step) idle() bool {
	return strings.TrimSpace(s.text) == "" || strings.HasPrefix(s.text, "#")
}

type script struct {
	name  string
	file  string
	steps []step
}

// corpus are all scripts, by name.
func corpus(t *testing.T) []script {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	scripts := make([]script, len(files))
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		steps, err := parse(string(text))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		scripts[i] = script{strings.TrimSuffix(filepath.Base(file), ".txt"), file, steps}
	}
	return scripts
}

func parse(text string) ([]step, error) {
	var steps []step
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		switch {
		case !strings.HasPrefix(line, "  "):
			steps = append(steps, step{line: i + 1, text: line})
		case len(steps) == 0 || steps[len(steps)-1].idle():
			return nil, fmt.Errorf("line %d: an answer to no command", i+1)
		default:
			last := &steps[len(steps)-1]
			last.answers = append(last.answers, strings.TrimPrefix(line, "  "))
		}
	}
	return steps, nil
}

func format(steps []step) string {
	var b strings.Builder
	for _, s := range steps {
		b.WriteString(s.text + "\n")
		for _, a := range s.answers {
			b.WriteString("  " + a + "\n")
		}
	}
	return b.String()
}
