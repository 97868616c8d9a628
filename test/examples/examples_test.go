package examples

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"testing"
	"time"

	"github.com/haypile/haypile/test/rabbitmq"
)

func TestMain(m *testing.M) { rabbitmq.Main(m) }

const folder = "../../examples"

// bound is generous: the longest of them works on a message for five seconds.
const bound = 2 * time.Minute

// runs are ways to call an example, and what it says when all went well. URL and
// ADDRESS stand for the broker's.
var runs = []struct {
	example string
	args    []string
	says    string
}{
	{"ack-from-goroutine", []string{"-url", "URL"}, "the connection outlived the work"},
	{"bare-core", []string{"-addr", "ADDRESS"}, `got "hello" back`},
	{"bring-your-loop", []string{"-url", "URL"}, `and brought back "message 3"`},
	{"choose-adapter", []string{"-url", "URL"}, `stdnet\.Loop: 10000 messages out, in and acknowledged`},
	{"choose-adapter", []string{"-url", "URL", "-adapter", "gnet"}, `gnet\.Loop: 10000 messages`},
	{"choose-adapter", []string{"-url", "URL", "-adapter", "ioloop"}, `ioloop\.Loop: 10000 messages`},
	{"choose-adapter", []string{"-url", "URL", "-adapter", "evio"}, `evio\.Loop: 10000 messages`},
	{"custom-loop", []string{"-url", "URL"}, `(landed|crashed) at .* frames and [1-9]\d* commands`},
	{"ioloop-consumer", []string{"-url", "URL"}, "that was all"},
	{"ioloop-echo", nil, `sent "good bye", got "good bye"`},
	{"one-loop-many-connections", []string{"-url", "URL", "-n", "100"}, "a message went round"},
	{"quickstart", []string{"-url", "URL"}, "all done"},
}

func TestEveryExampleDoesWhatItSays(t *testing.T) {
	programs := build(t)
	broker, err := url.Parse(rabbitmq.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	tried := map[string]bool{}
	for _, r := range runs {
		tried[r.example] = true
		args := make([]string, len(r.args))
		for i, arg := range r.args {
			switch arg {
			case "URL":
				arg = broker.String()
			case "ADDRESS":
				arg = broker.Host
			}
			args[i] = arg
		}
		t.Run(r.example, func(t *testing.T) {
			t.Parallel()
			run(t, filepath.Join(programs, r.example), args, r.says)
		})
	}
	for _, name := range examples(t) {
		if !tried[name] {
			t.Errorf("examples/%s is never run", name)
		}
	}
}

// build compiles the examples, also those that are modules of their own, into a
// folder.
func build(t *testing.T) string {
	t.Helper()
	into := t.TempDir()
	targets := map[string]string{folder: "./..."} // folder to pattern
	for _, name := range examples(t) {
		dir := filepath.Join(folder, name)
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			targets[dir] = "."
		}
	}
	for dir, pattern := range targets {
		cmd := exec.Command("go", "build", "-o", into+string(filepath.Separator), pattern)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", dir, err, out)
		}
	}
	return into
}

// examples are the names in the folder.
func examples(t *testing.T) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

func run(t *testing.T, program string, args []string, says string) {
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	if err != nil || !regexp.MustCompile(says).Match(out) {
		t.Errorf("error %v; it was to say %q and said\n%s", err, says, out)
	}
}
