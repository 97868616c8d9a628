package examples

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/haypile/haypile/broker"
	"github.com/haypile/haypile/test/rabbitmq"
)

func TestMain(m *testing.M) { rabbitmq.Main(m) }

const folder = "../../examples"

// bound is generous: the longest of them works on a message for five seconds.
const bound = 2 * time.Minute

// runs are ways to call an example, and what it says when all went well.
var runs = []struct {
	example string
	args    []string
	says    string
}{
	{"ack-from-goroutine", nil, "the connection outlived the work"},
	{"bare-core", nil, `got "hello" back`},
	{"bring-your-loop", nil, `and brought back "message 3"`},
	{"choose-adapter", nil, `stdnet: 10000 messages out, in and acknowledged`},
	{"choose-adapter", []string{"-adapter", "gnet"}, `gnet: 10000 messages`},
	{"choose-adapter", []string{"-adapter", "ioloop"}, `ioloop: 10000 messages`},
	{"choose-adapter", []string{"-adapter", "evio"}, `evio: 10000 messages`},
	{"custom-loop", nil, `(landed|crashed) at .* frames and [1-9]\d* commands`},
	{"ioloop-consumer", nil, "that was all"},
	{"one-loop-many-connections", []string{"-n", "100"}, "a message went round"},
	{"quickstart", nil, "all done"},
}

const embedded = "on a broker embedded in this program"

func TestEveryExampleDoesWhatItSays(t *testing.T) {
	programs := build(t)
	t.Run("with a broker of its own", func(t *testing.T) {
		for _, r := range runs {
			try(t, programs, r.example, r.args, embedded+`(.|\n)*`+r.says)
		}
		try(t, programs, "ioloop-echo", nil, `sent "good bye", got "good bye"`)
	})
	t.Run("against RabbitMQ", func(t *testing.T) {
		url := rabbitmq.URL(t)
		for _, r := range runs {
			try(t, programs, r.example, append([]string{"-url", url}, r.args...), r.says)
		}
	})
	t.Run("as a user who is not guest", func(t *testing.T) {
		url := brokerOfAnna(t)
		for _, r := range runs {
			try(t, programs, r.example, append([]string{"-url", url}, r.args...), r.says)
		}
	})
	tried := map[string]bool{"broker": true, "ioloop-echo": true} // TestBroker has the first
	for _, r := range runs {
		tried[r.example] = true
	}
	for _, name := range examples(t) {
		if !tried[name] {
			t.Errorf("examples/%s is never run", name)
		}
	}
}

// brokerOfAnna runs a broker that lets nobody else in, for the test.
func brokerOfAnna(t *testing.T) (url string) {
	t.Helper()
	anna := broker.NewUser("anna", "hunter2")
	anna.Permissions = map[string]broker.Permission{"/": broker.FullPermission()}
	b, err := broker.Start(broker.WithUsers(anna))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return "amqp://anna:hunter2@" + b.Addr().String() + "/"
}

func TestExamplesRefuseWhatTheyCannotDo(t *testing.T) {
	programs := build(t)
	refuses := func(example, reason string, args ...string) {
		t.Run(example+" "+strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			out, err := exec.CommandContext(t.Context(), program(programs, example), args...).CombinedOutput()
			if err == nil || !strings.Contains(string(out), reason) || strings.Contains(string(out), "panic:") {
				t.Errorf("error %v; it was to say %q and said\n%s", err, reason, out)
			}
		})
	}
	for _, example := range examples(t) {
		refuses(example, `"extra" is no flag`, "extra")
		refuses(example, "flag provided but not defined", "-nonsense")
		if example != "broker" && example != "ioloop-echo" {
			refuses(example, "amqp: URI: scheme: must be amqp or amqps", "-url", "http://localhost/")
		}
	}
	for _, example := range []string{"bare-core", "custom-loop"} {
		refuses(example, "without TLS", "-url", "amqps://localhost/")
	}
	for _, n := range []string{"0", "-1"} {
		refuses("one-loop-many-connections", "-n must be at least 1", "-n", n)
	}
}

func try(t *testing.T, programs, example string, args []string, says string) {
	t.Run(example, func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithTimeout(context.Background(), bound)
		defer cancel()
		out, err := exec.CommandContext(ctx, program(programs, example), args...).CombinedOutput()
		if err != nil || !regexp.MustCompile(says).Match(out) {
			t.Errorf("error %v; it was to say %q and said\n%s", err, says, out)
		}
		if len(args) > 0 && args[0] == "-url" && strings.Contains(string(out), embedded) {
			t.Errorf("it ignored -url\n%s", out)
		}
	})
}

func program(programs, example string) string {
	path := filepath.Join(programs, example)
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	return path
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
		if e.IsDir() && e.Name() != "internal" {
			names = append(names, e.Name())
		}
	}
	return names
}
