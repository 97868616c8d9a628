package clients

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// bound is for all scenarios of one client. Each program gives up one that takes
// too long, so it is for a program that does not even do that.
const bound = 5 * time.Minute

// client is a program to run.
type client struct {
	name    string
	command func(t *testing.T) []string
	lacks   []string // scenarios that it cannot express, or that its sibling shows
}

// Scenarios that run when they are asked for.
const (
	disturbing = "restart" // no other client may see it
	idle       = "idle"    // lasts, with heartbeats so rare that no busy machine is too late
)

var clients = []client{
	{"pika blocking", script("/usr/bin/python3", "-B", "pika/blocking.py"), []string{"exchange not found"}},
	{"pika select", script("/usr/bin/python3", "-B", "pika/selecting.py"), []string{
		"bindings", "recover", "expired", "server-named", "counts", "overflow", "priorities", "single active consumer", "consumer priority",
		"quorum", "alternate exchange", "queue expires", "channels", "small frames", "exchange not found", "locked", "consumer exists",
		disturbing,
	}},
	{"amqp091-go", goProgram("amqp091"), nil},
	{"amqplib", script("node", "amqplib/main.js"), []string{"transaction"}},
	{"amqp-tools", script("amqp-tools/run"), []string{
		"server", "properties", "confirms", "return", "prefetch", "recover", "rejected", "expired", "rpc", "transaction",
		"overflow", "priorities", "single active consumer", "consumer priority", "quorum", "alternate exchange", "queue expires", "channels",
		"small frames", "consumer cancelled", "unknown tag", "locked", "consumer exists", "blocked", "close",
		disturbing,
	}},
}

// script is a program that needs no building.
func script(command ...string) func(*testing.T) []string {
	return func(*testing.T) []string { return command }
}

// goProgram builds the module in the folder.
func goProgram(folder string) func(*testing.T) []string {
	return func(t *testing.T) []string {
		program := filepath.Join(t.TempDir(), folder)
		build := exec.Command("go", "build", "-o", program, ".")
		build.Dir = folder
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return []string{program}
	}
}

func TestOtherClients(t *testing.T) {
	expected := readExpected(t)
	for _, b := range brokers {
		t.Run(b.name, func(t *testing.T) {
			target := b.start(t)
			t.Run("clients", func(t *testing.T) { // its end is that of all of them
				for i, c := range clients {
					for _, secure := range []bool{false, true} {
						if secure && b.plain {
							continue
						}
						link := map[bool]string{false: "TCP", true: "TLS"}[secure]
						t.Run(c.name+" over "+link, func(t *testing.T) {
							t.Parallel()
							compare(t, run(t, c, fmt.Sprintf("%d%s-", i, link), target, secure), expected.of(c, ""))
						})
						t.Run(c.name+" idle over "+link, func(t *testing.T) {
							t.Parallel()
							compare(t, run(t, c, fmt.Sprintf("%d%s-", i, link), target, secure, idle), expected.of(c, idle))
						})
					}
				}
			})
			cleared(t, target)
			for i, c := range clients {
				if !slices.Contains(c.lacks, disturbing) {
					t.Run(c.name+" over a restart", func(t *testing.T) {
						compare(t, run(t, c, fmt.Sprintf("%d-", i), target, false, disturbing), expected.of(c, disturbing))
					})
				}
			}
			cleared(t, target)
		})
	}
}

// cleared waits until the broker has nothing left of the clients.
func cleared(t *testing.T, target *target) {
	t.Helper()
	deadline := time.Now().Add(bound)
	for left := target.left(t); left != ""; left = target.left(t) {
		if time.Now().After(deadline) {
			t.Fatalf("the clients left\n%s", left)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// line is what a client sees in a scenario.
type line struct{ scenario, saw string }

// expectation is testdata/expected.txt.
type expectation []line

func readExpected(t *testing.T) (all expectation) {
	t.Helper()
	text, err := os.ReadFile("testdata/expected.txt")
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(text)) {
		if l = strings.TrimSpace(l); l != "" && !strings.HasPrefix(l, "#") {
			all = append(all, parse(l))
		}
	}
	return all
}

func parse(text string) line {
	scenario, saw, _ := strings.Cut(text, ": ")
	return line{scenario, saw}
}

// of is what the client is to see in the scenario, or, without one, in all that
// need not be asked for.
func (all expectation) of(c client, asked string) (own []line) {
	for _, l := range all {
		scenario, only, some := strings.Cut(strings.TrimSuffix(l.scenario, "]"), " [")
		switch at := slices.IndexFunc(own, func(o line) bool { return o.scenario == scenario }); {
		case some && only != c.name || slices.Contains(c.lacks, scenario):
		case asked == "" && (scenario == disturbing || scenario == idle) || asked != "" && scenario != asked:
		case at >= 0:
			own[at].saw = l.saw
		default:
			own = append(own, line{scenario, l.saw})
		}
	}
	return own
}

// compare fails the test unless the client saw what it was to see.
func compare(t *testing.T, got, want []line) {
	t.Helper()
	seen := map[string]string{}
	for _, l := range got {
		seen[l.scenario] = l.saw
	}
	for _, l := range want {
		if saw, ran := seen[l.scenario]; !ran {
			t.Errorf("%s: not run, expected %s", l.scenario, l.saw)
		} else if saw != l.saw {
			t.Errorf("%s:\n saw      %s\n expected %s", l.scenario, saw, l.saw)
		}
		delete(seen, l.scenario)
	}
	for scenario, saw := range seen {
		t.Errorf("%s is not expected: %s", scenario, saw)
	}
}

// run runs the client and returns what it saw. Its prefix is its own, and short,
// since brokers cut long texts off. Without scenarios, it runs all that need not be
// asked for.
func run(t *testing.T, c client, prefix string, target *target, secure bool, scenarios ...string) (saw []line) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	port, authority := target.port, "-"
	if secure {
		port, authority = target.tlsPort, target.authority
	}
	command := slices.Concat(c.command(t), []string{"localhost", fmt.Sprint(port), prefix, authority}, scenarios)
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: test/run installs what is missing", err)
	}
	asked := steering{t: t, target: target, answers: in}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		text := strings.ReplaceAll(lines.Text(), prefix, "")
		if request, ok := strings.CutPrefix(text, "!"); ok {
			asked.do(request)
			continue
		}
		asked.end()
		saw = append(saw, parse(text))
	}
	asked.end()
	if err := cmd.Wait(); err != nil {
		t.Errorf("%s: %v", c.name, err)
	}
	if t.Failed() || complaints.Len() > 0 {
		t.Logf("%s complained:\n%s", c.name, &complaints)
	}
	return saw
}

// steering is what a client asks to have done to the broker.
type steering struct {
	t       *testing.T
	target  *target
	answers io.Writer
	blocked bool
}

// do does as asked, and tells the client.
func (s *steering) do(request string) {
	switch {
	case request == "block" && !s.blocked:
		s.target.block(s.t)
		s.blocked = true
	case request == "unblock":
		s.end()
	case request == "restart":
		s.target.restart(s.t)
	default:
		s.t.Errorf("the client asks to %q", request)
	}
	fmt.Fprintln(s.answers)
}

// end ends what the client asked for and did not live to end.
func (s *steering) end() {
	if s.blocked {
		s.target.unblock(s.t)
		s.blocked = false
	}
}
