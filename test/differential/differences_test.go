package differential

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// difference is where the broker is meant to answer otherwise than RabbitMQ does.
type difference struct {
	script   string
	reason   string
	rabbitmq []string // answers to one command, in a row
	broker   []string // in their place
	used     bool
}

// differences are those of differences.txt: a reason in lines that begin with #,
// and below it the scripts, each with the answers of RabbitMQ behind "-" and those
// of the broker behind "+".
func differences(t *testing.T) []*difference {
	t.Helper()
	text, err := os.ReadFile("differences.txt")
	if err != nil {
		t.Fatal(err)
	}
	all, err := parseDifferences(string(text))
	if err != nil {
		t.Fatalf("differences.txt: %v", err)
	}
	return all
}

func parseDifferences(text string) (all []*difference, err error) {
	var reason []string
	begun := false // the reason is complete
	for i, line := range strings.Split(text, "\n") {
		mark, rest, _ := strings.Cut(line, " ")
		switch {
		case line == "":
		case mark == "#":
			if begun {
				reason, begun = nil, false
			}
			reason = append(reason, rest)
		case mark == "-" && begun:
			d := all[len(all)-1]
			if len(d.broker) > 0 { // another one of the same script
				d = &difference{script: d.script, reason: d.reason}
				all = append(all, d)
			}
			d.rabbitmq = append(d.rabbitmq, rest)
		case mark == "+" && begun:
			d := all[len(all)-1]
			d.broker = append(d.broker, rest)
		case len(reason) > 0:
			begun = true
			all = append(all, &difference{script: line, reason: strings.Join(reason, " ")})
		default:
			return nil, fmt.Errorf("line %d: no reason", i+1)
		}
	}
	return all, nil
}

// apply puts the broker's answers in the place of RabbitMQ's.
func (d *difference) apply(answers []string) []string {
	n := len(d.rabbitmq)
	for i := 0; i+n <= len(answers); i++ {
		if slices.Equal(answers[i:i+n], d.rabbitmq) {
			d.used = true
			return slices.Concat(answers[:i], d.broker, answers[i+n:])
		}
	}
	return answers
}

// meant are the steps with the answers that the broker is meant to give.
func meant(s script, all []*difference) []step {
	steps := slices.Clone(s.steps)
	for _, d := range all {
		if d.script != s.name {
			continue
		}
		for i := range steps {
			if !d.used && !steps[i].idle() {
				steps[i].answers = d.apply(steps[i].answers)
			}
		}
	}
	return steps
}

// A row that fits no answer is not needed any more. One that fits, without the
// broker differing there, fails its script in TestBroker.
func TestEveryDifferenceIsNeeded(t *testing.T) {
	all := differences(t)
	for _, s := range corpus(t) {
		meant(s, all)
	}
	for _, d := range all {
		if !d.used || slices.Equal(d.rabbitmq, d.broker) {
			t.Errorf("%s: not what RabbitMQ answers, or not what differs:\n\t%s", d.script, strings.Join(d.rabbitmq, "\n\t"))
		}
	}
}
