package coretest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// RunScripts plays every script that matches the pattern of filepath.Glob, as a
// subtest. Each is played with the peer's bytes fed whole, one at a time, and cut
// at random; all must give the same answers, those that the script has. With
// update, the script's answers are written anew instead of compared.
//
// A script is a list of commands at the margin, answers indented, # for
// comments. Where it says N, it is a channel number; METHOD is written as by
// Parse.
//
//	client [OPTION=VALUE ...]       begins: a Conn made by NewClient, started
//	server [OPTION=VALUE ...]       or by NewServer; "decide" leaves decisions to the script
//	open [OPTION=VALUE ...]         plays the peer's part of the handshake
//	user open-channel               calls of the user, by the name of what they send:
//	user N METHOD                   for a client, Call, Consume, Get, Publish, Ack, Close, …
//	user N stream METHOD            ConsumeStream
//	user N loan METHOD              PublishLoan
//	user N METHOD                   for a server, Send, Deliver, Return, GetOk, Close
//	user N fail CODE TEXT           Channel.Fail, or Conn.Fail for N = 0
//	user accept, refuse CODE TEXT, challenge TEXT, block REASON, unblock
//	peer N METHOD                   what the peer sends
//	peer N alone METHOD             the same without content, which may follow as raw
//	peer header, heartbeat, raw HEX, text QUOTED
//	wait DURATION                   time passes, deadlines expire
//	stall, drain                    the transport takes no output, takes it again
//	pause, resume                   SetReading
//	lost [TEXT]                     the transport ends
//	when PREFIX: COMMAND            inside the next callback whose line begins so
//
// Answers are what the callbacks told, then the errors of calls, then what was
// sent: "->", channel, method; then "finished", once.
func RunScripts(t *testing.T, pattern string, update bool) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("no script matches %s", pattern)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { runScript(t, file, update) })
	}
}

func runScript(t *testing.T, file string, update bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	steps, err := readScript(string(text))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	whole := play(t, file, steps, func(p []byte) int { return len(p) })
	if update {
		if err := os.WriteFile(file, []byte(whole.text()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	splits := map[string]func(p []byte) int{"one byte at a time": func([]byte) int { return 1 }}
	for seed := range uint64(5) {
		r := rand.New(rand.NewPCG(seed, seed))
		splits[fmt.Sprintf("cut at random, seed %d", seed)] = func(p []byte) int { return 1 + r.IntN(len(p)) }
	}
	for how, split := range splits {
		compare(t, file, "fed "+how, play(t, file, steps, split), whole)
	}
	if !update {
		compare(t, file, "the script", whole, steps)
	}
}

// step is a command with its answers, or a line that is neither.
type step struct {
	line    int
	text    string
	answers []string
}

type transcript []step

func (s step) idle() bool {
	return strings.TrimSpace(s.text) == "" || strings.HasPrefix(s.text, "#")
}

func readScript(text string) (transcript, error) {
	var steps transcript
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

func (t transcript) text() string {
	var b strings.Builder
	for _, s := range t {
		b.WriteString(s.text + "\n")
		for _, a := range s.answers {
			b.WriteString("  " + a + "\n")
		}
	}
	return b.String()
}

func compare(t *testing.T, file, how string, got, want transcript) {
	t.Helper()
	for i := range got {
		g, w := strings.Join(got[i].answers, "\n\t"), strings.Join(want[i].answers, "\n\t")
		if g != w {
			t.Errorf("%s:%d: %s\n%s:\n\t%s\nwant\n\t%s", file, got[i].line, got[i].text, how, g, w)
			return
		}
	}
}

// play runs the commands and returns them with their answers.
func play(t *testing.T, file string, steps transcript, split func([]byte) int) transcript {
	t.Helper()
	p := newPlayer(split)
	played := make(transcript, len(steps))
	for i, s := range steps {
		played[i] = step{line: s.line, text: s.text}
		if s.idle() {
			continue
		}
		if err := p.command(s.text); err != nil {
			t.Fatalf("%s:%d: %s: %v", file, s.line, s.text, err)
		}
		played[i].answers = p.answers()
	}
	return played
}
