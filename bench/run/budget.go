package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/haypile/haypile/bench/internal/loops"
)

// budgetModes are the modes that are measured with a latency budget, too.
var budgetModes = []string{"publish-confirm", "consume-auto", "consume-ack"}

// patient is haypile with a latency budget.
func patient(s subject) subject {
	s.name += ", 1 ms"
	s.args = append(slices.Clone(s.args), "-budget", "1ms")
	s.budget = true
	return s
}

// writeBudget has a row for each adapter, without a budget and with one.
func (t *table) writeBudget(b *strings.Builder) {
	measures := []measure{cpu, rate, writes}
	var lines []string
	for _, r := range t.rows {
		for _, adapter := range loops.Names {
			without := haypile("blocking", adapter)
			with := patient(without)
			if len(t.at(r, with)) == 0 {
				continue
			}
			line := fmt.Sprintf("| %s, %s |", r.name, without.name)
			for _, m := range measures {
				line += fmt.Sprintf(" %s | %s |", cell(t.at(r, without), m), cell(t.at(r, with), m))
			}
			v, _ := t.at(r, without).median(cpu.name)
			w, _ := t.at(r, with).median(cpu.name)
			lines = append(lines, line+" "+over(v, w)+" |\n")
		}
	}
	if len(lines) == 0 {
		return
	}
	b.WriteString(`
### A latency budget of 1 ms

The connection rests so long after each small read, so that more comes at once; a lone round trip takes as much longer.

| | CPU time per message, µs | with the budget | messages per second | with the budget | system calls that write, per message | with the budget | times less CPU |
|---|---:|---:|---:|---:|---:|---:|---:|
` + strings.Join(lines, ""))
}
