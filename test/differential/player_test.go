package differential

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

var (
	bound = flag.Duration("bound", time.Minute, "how long a command waits for its answers")
	quiet = flag.Duration("quiet", 100*time.Millisecond, "with -record, how long nothing must come before the answers are complete")
)

// server is what a script is played against.
type server struct {
	dial  func() (net.Conn, error)
	vhost string
}

// player plays one script.
type player struct {
	server
	names  *names
	record bool // take what comes, rather than wait for the script's answers
	peers  []*peer
	news   chan struct{}
	bound  time.Duration
	joined []byte // of commands that leave with the next one
	left   map[string]bool
}

func newPlayer(s server, record bool) *player {
	return &player{server: s, names: newNames(s.vhost), record: record, bound: *bound,
		news: make(chan struct{}, 1), left: map[string]bool{}}
}

// play plays the steps and returns them with what was answered. After an answer
// that differs, the rest is not waited for as long.
func (p *player) play(steps []step) ([]step, error) {
	defer func() {
		for _, c := range p.peers {
			c.close()
		}
	}()
	played := slices.Clone(steps)
	for i, s := range steps {
		if s.idle() {
			continue
		}
		got, err := p.step(s)
		if err != nil {
			return nil, fmt.Errorf("line %d: %s: %w", s.line, s.text, err)
		}
		played[i].answers = got
		if !p.record && !slices.Equal(got, s.answers) {
			p.bound = min(p.bound, time.Second)
		}
	}
	return played, nil
}

func (p *player) step(s step) ([]string, error) {
	if rest, ok := strings.CutPrefix(s.text, "+ "); ok {
		return nil, p.command(rest, true)
	}
	verb, rest, _ := strings.Cut(s.text, " ")
	switch verb {
	case "until":
		return p.until(rest, s.answers)
	case "await":
		text, command, err := splitText(rest)
		if err != nil {
			return nil, err
		}
		if err := p.command(command, false); err != nil {
			return nil, err
		}
		return p.collect(s.answers, text), nil
	}
	if err := p.command(s.text, false); err != nil {
		return nil, err
	}
	return p.collect(s.answers, ""), nil
}

// splitText takes the text, a word or quoted, from the front of a command.
func splitText(s string) (text, rest string, err error) {
	if !strings.HasPrefix(s, `"`) {
		text, rest, _ = strings.Cut(s, " ")
		return text, rest, nil
	}
	end := strings.Index(s[1:], `"`)
	if end < 0 {
		return "", "", errors.New("a quote is not closed")
	}
	return s[1 : end+1], strings.TrimSpace(s[end+2:]), nil
}

// until repeats a command that is answered on its own channel. Only the answers
// to the last one count.
func (p *player) until(s string, want []string) ([]string, error) {
	text, command, err := splitText(s)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(p.bound); ; time.Sleep(2 * time.Millisecond) {
		before := p.counts()
		if err := p.command(command, false); err != nil {
			return nil, err
		}
		p.settle()
		if p.has(text) || time.Now().After(deadline) {
			return p.collect(want, ""), nil
		}
		for c, n := range before {
			c.truncate(n)
		}
	}
}

func (p *player) counts() map[*peer]int {
	n := map[*peer]int{}
	for _, c := range p.peers {
		n[c] = len(c.peek())
	}
	return n
}

// collect waits for the answers to be those, or to have the text, and takes them.
func (p *player) collect(want []string, text string) []string {
	p.wait(p.bound, func() bool {
		switch {
		case p.record && text != "":
			return p.has(text)
		case p.record:
			return true
		}
		return slices.Equal(p.lines(), want)
	})
	p.settle()
	if p.record {
		p.becomeQuiet()
	}
	return p.take()
}

// settle waits for two round trips on each channel: what the first one caused
// elsewhere comes before the second one's end.
func (p *player) settle() {
	for range 2 {
		for _, c := range p.peers {
			c.sync()
		}
		p.wait(p.bound, func() bool {
			return !slices.ContainsFunc(p.peers, func(c *peer) bool { return !c.synced() })
		})
	}
}

// becomeQuiet waits until nothing has come for a while.
func (p *player) becomeQuiet() {
	for n := -1; n != p.total(); time.Sleep(*quiet) {
		n = p.total()
	}
}

func (p *player) total() (n int) {
	for _, c := range p.peers {
		n += len(c.peek())
	}
	return n
}

// wait waits for a condition that comes true by what the server sends.
func (p *player) wait(bound time.Duration, ok func() bool) bool {
	timer := time.NewTimer(bound)
	defer timer.Stop()
	for !ok() {
		select {
		case <-p.news:
		case <-timer.C:
			return false
		}
	}
	return true
}

// notify is called when something came.
func (p *player) notify() {
	select {
	case p.news <- struct{}{}:
	default:
	}
}

// lines are the answers so far.
func (p *player) lines() (all []string) {
	for _, c := range p.peers {
		for _, line := range answers(c.peek(), p.names) {
			if c.name != "a" {
				line = c.name + " " + line
			}
			all = append(all, line)
		}
	}
	return all
}

// take is lines, and forgets them.
func (p *player) take() []string {
	n := p.counts()
	all := p.lines()
	for c, n := range n {
		c.drop(n)
	}
	return all
}

func (p *player) has(text string) bool {
	return slices.ContainsFunc(p.lines(), func(line string) bool { return strings.Contains(line, text) })
}
