package main

import (
	"fmt"
	"strings"
)

// What haypile is meant to reach, against the sink and by its best adapter. A machine
// may be slower than the one for which that was said; amqp091-go then is, too.
var (
	goals = map[string]struct{ callback, blocking, amqp091 float64 }{ // µs of CPU per message; 0 is none
		"publish 64 B":            {0.12, 0.35, 9.4},
		"publish 1 KiB":           {0.4, 0.65, 11},
		"publish 1 MiB":           {250, 300, 354},
		"publish-props":           {0.5, 1, 16},
		builtProps:                {0, 1, 16},
		"publish-confirm":         {0.25, 0.8, 8.5},
		"publish-parallel":        {0, 0.35, 8.3},
		"consume-auto 64 B":       {0.15, 0.5, 4.1},
		"consume-auto 1 KiB":      {0.35, 1.3, 6.3},
		"consume-auto 1 MiB":      {280, 0, 7400}, // where each body has new memory, most of what it takes is that
		reused:                    {0, 600, 7400},
		"consume-props, unread":   {0.3, 0.8, 8.7},
		"consume-props, all read": {1.2, 2, 8.7},
		"consume-ack":             {0.3, 0.8, 13},
		"consume-multi":           {0.2, 0.6, 4.1},
		"rpc":                     {45, 60, 81},
		"pingpong":                {58, 70, 81},
	}
	allocationGoals = []struct { // of the blocking client, per message
		row  string
		most float64
	}{{"publish 64 B", 1}, {"publish-confirm", 1}, {"publish-parallel", 1}, {"consume-auto 64 B", 2}, {"consume-ack", 2}}
	rabbitGoals = []struct { // against RabbitMQ, by haypile's best
		row            string
		cpu, budgetCPU float64 // µs per message, of all, and of the blocking client with a latency budget
	}{{"publish 64 B", 0.43, 0}, {"consume-auto 64 B", 1.9, 0.9}, {"publish-confirm", 2.6, 1.5}, {"consume-ack", 3, 1.8}}
	idleGoals = []struct { // bytes that are resident, of a connection of callbacks
		adapter string
		most    float64
	}{{"stdnet", 8 << 10}, {"ioloop", 3 << 10}, {"gnet", 3 << 10}}
)

const (
	timesRate = 1.2 // what amqp091-go publishes, confirms and acks in a second with RabbitMQ
	mostBeats = 3   // % of a core, for the heartbeats of idle connections
	tolerance = 0.1 // allocations of buffers that grow at first
)

// mostSpread is how many times what the best adapter takes another may take.
func mostSpread(adapter string) float64 {
	if adapter == "evio" {
		return 2
	}
	return 1.5
}

// goalCell is how a row by one API stands.
type goalCell struct {
	best, floor, peer, spread float64 // the last is of the dearest adapter and the best; zero is not measured
	adapter                   string
	goal, ratio               float64 // µs, and times less than amqp091-go; zero for none
	uneven                    bool    // an adapter takes too many times what the best does
}

// goalCell looks at a row; false where it was not measured.
func (t *table) goalCell(r row, api string) (c goalCell, ok bool) {
	took := map[string]float64{}
	for _, s := range t.subjects {
		v, is := t.at(r, s).median(cpu.name)
		if s.api != api || s.budget || !is {
			continue
		}
		took[s.adapter] = v
		if c.adapter == "" || v < c.best {
			c.best, c.adapter = v, s.adapter
		}
	}
	if c.best <= 0 {
		return c, false
	}
	for adapter, v := range took {
		c.spread = max(c.spread, v/c.best)
		c.uneven = c.uneven || v/c.best > mostSpread(adapter)
	}
	c.peer, _ = t.at(r, amqp091).median(cpu.name)
	if c.floor, ok = t.at(r, floorCopy).median(cpu.name); !ok || api != "blocking" {
		c.floor, _ = t.at(r, floor).median(cpu.name)
	}
	g := goals[r.name]
	if c.goal = g.callback; api == "blocking" {
		c.goal = g.blocking
	}
	if c.goal > 0 {
		c.ratio = g.amqp091 / c.goal
	}
	return c, true
}

// met is the verdict.
func (c goalCell) met() string {
	verdict := "yes"
	switch {
	case c.goal == 0:
		return "–"
	case c.best > c.goal && c.peer < c.ratio*c.best:
		return "**no**"
	case c.best > c.goal:
		verdict = "as a ratio"
	}
	if c.uneven {
		verdict += ", **not by all**"
	}
	return verdict
}

// over is a ratio for reading, or a dash.
func over(a, b float64) string {
	if a == 0 || b == 0 {
		return "–"
	}
	return number(a / b)
}

// writeGoals writes what was meant to be reached, and what was.
func (r *report) writeGoals(b *strings.Builder) {
	if r.sink != nil && len(r.sink.rows) > 0 {
		b.WriteString(`
## Goals

µs of CPU per message against the sink. A goal is for the best adapter; no other may take more than 1.5 times as much, evio
not more than 2 times. The figures were set on a machine where amqp091-go took 9.4 µs for *publish 64 B*; on a slower one
what counts is how many times less than amqp091-go it is. The floor of the blocking client is the one with a copy, where
there is one.

| | goal | best | on adapter | times less than amqp091-go: goal | measured | met | times the floor | dearest adapter / best |
|---|---:|---:|---|---:|---:|---|---:|---:|
`)
		for _, row := range r.sink.rows {
			for _, api := range []string{"blocking", "callback"} {
				if c, ok := r.sink.goalCell(row, api); ok {
					fmt.Fprintf(b, "| %s, %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", row.name, api, numberOr(c.goal), number(c.best), c.adapter, numberOr(c.ratio), over(c.peer, c.best), c.met(), over(c.best, c.floor), number(c.spread))
				}
			}
		}
	}
	if rows := r.otherGoals(); len(rows) > 0 {
		b.WriteString(`
Those with RabbitMQ and of heartbeats are figures alone, for the machine on which the floor of *consume-auto 64 B* with
RabbitMQ is 2.1 µs: most of them is what a system call and a wake-up cost there.

| | goal | measured | met |
|---|---:|---:|---|
` + strings.Join(rows, ""))
	}
}

func numberOr(v float64) string {
	if v == 0 {
		return "–"
	}
	return number(v)
}

// goalLine is a row of a table.
func goalLine(what, goal string, got float64, met bool) string {
	verdict := "yes"
	if !met {
		verdict = "**no**"
	}
	return fmt.Sprintf("| %s | %s | %s | %s |\n", what, goal, number(got), verdict)
}

func atMost(what string, most, got, tolerance float64) string {
	return goalLine(what, "≤ "+number(most), got, got <= most+tolerance)
}

// otherGoals are rows of a table.
func (r *report) otherGoals() (lines []string) {
	if r.sink != nil {
		for _, g := range allocationGoals {
			if got, ok := r.sink.of(isBlocking).best(row{name: g.row}, allocs); ok {
				lines = append(lines, atMost("allocations per message, "+g.row+", blocking", g.most, got, tolerance))
			}
		}
	}
	if r.rabbitmq != nil {
		lines = append(lines, r.rabbitmq.rabbitGoals()...)
	}
	if r.idle != nil && len(r.idle.rows) > 0 {
		lines = append(lines, r.idle.idleGoals()...)
	}
	return lines
}

func (t *table) rabbitGoals() (lines []string) {
	for _, g := range rabbitGoals {
		r := row{name: g.row}
		if got, ok := t.of(hasNoBudget).best(r, cpu); ok {
			lines = append(lines, atMost("µs of CPU per message with RabbitMQ, "+g.row, g.cpu, got, 0))
		}
		if got, ok := t.of(hasBudget).best(r, cpu); ok && g.budgetCPU > 0 {
			lines = append(lines, atMost("the same, blocking with a latency budget of 1 ms", g.budgetCPU, got, 0))
		}
		got, ok := t.of(hasNoBudget).best(r, rate)
		if peer, is := t.at(r, amqp091).median(rate.name); ok && is && g.row != "consume-auto 64 B" {
			lines = append(lines, goalLine("messages per second with RabbitMQ over amqp091-go's, "+g.row, "≥ "+number(timesRate), got/peer, got >= timesRate*peer))
		}
	}
	return lines
}

func (t *table) idleGoals() (lines []string) {
	for _, g := range idleGoals {
		if got, ok := t.at(t.rows[0], haypile("callback", g.adapter)).median("resident_bytes"); ok {
			lines = append(lines, atMost("resident bytes of an idle connection, "+g.adapter, g.most, got, 0))
		}
	}
	for _, s := range t.of(isCallback).subjects {
		cell := t.at(t.rows[0], s)
		if got, ok := cell.median("cpu_percent"); ok {
			lines = append(lines, atMost(fmt.Sprintf("%% of a core for the heartbeats of %.0f, %s", cell[0]["n"], s.adapter), mostBeats, got, 0))
		}
	}
	return lines
}
