package main

import (
	"fmt"
	"strings"
)

// What haypile is meant to reach, against the sink and by its best adapter.
var (
	goals = map[[2]string]float64{ // µs of CPU per message, by row and API; 0 is none
		{"publish 1 MiB", "blocking"}:      300,
		{"publish 1 MiB", "callback"}:      250,
		{"consume-auto 1 MiB", "blocking"}: 0, // where each body has new memory, most of what it takes is that
		{reused, "blocking"}:               600,
		{"consume-auto 1 MiB", "callback"}: 280,
		{"publish-props", "blocking"}:      1,
		{"publish-confirm", "blocking"}:    0.8,
		{"consume-ack", "blocking"}:        0.8,
	}
	allocationGoals = []struct { // of the blocking client, per message
		row  string
		most float64
	}{{"publish 64 B", 1}, {"publish-confirm", 1}, {"publish-parallel", 1}, {"consume-auto 64 B", 2}, {"consume-ack", 2}}
	idleGoals = []struct { // bytes that are resident, of a connection of callbacks
		adapter string
		most    float64
	}{{"stdnet", 8 << 10}, {"ioloop", 3 << 10}, {"gnet", 3 << 10}, {"evio", 2 << 10}}
)

const (
	timesLess  = 25  // than amqp091-go's, where no other goal is set and the floor allows it
	mostSpread = 1.5 // of an adapter's cost and that of the best
	mostBeats  = 3   // % of a core, for the heartbeats of idle connections
	tolerance  = 0.1 // allocations of buffers that grow at first
)

// goalCell is how a row by one API stands.
type goalCell struct {
	best, floor, peer, spread float64 // the last is of the dearest adapter and the best; zero is not measured
	adapter                   string
	goal                      float64 // zero for none
	part                      bool    // the goal is a part of what the peer takes
}

// goalCell looks at a row; false where it was not measured.
func (t *table) goalCell(r row, api string) (c goalCell, ok bool) {
	dearest := 0.0
	for _, s := range t.subjects {
		v, is := t.at(r, s).median(cpu.name)
		if s.api != api || s.budget || !is {
			continue
		}
		dearest = max(dearest, v)
		if c.adapter == "" || v < c.best {
			c.best, c.adapter = v, s.adapter
		}
	}
	if c.best <= 0 {
		return c, false
	}
	c.spread = dearest / c.best
	c.peer, _ = t.at(r, amqp091).median(cpu.name)
	if c.floor, ok = t.at(r, floorCopy).median(cpu.name); !ok || api != "blocking" {
		c.floor, _ = t.at(r, floor).median(cpu.name)
	}
	if c.goal, ok = goals[[2]string{r.name, api}]; !ok {
		c.goal, c.part = c.peer/timesLess, true
	}
	return c, true
}

// met is the verdict.
func (c goalCell) met() string {
	switch {
	case c.goal == 0:
		return "–"
	case c.best > c.goal && c.part && c.floor > c.goal:
		return "out of reach"
	case c.best > c.goal:
		return "**no**"
	case c.spread > mostSpread:
		return "**not by all**"
	}
	return "yes"
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
		fmt.Fprintf(b, `
## Goals

µs of CPU per message against the sink. The goal is for the best adapter, and no other may take more than %g times as much.
Where no figure was set, it is a %dth of what amqp091-go takes, which is out of reach where the floor is above it. The floor
of the blocking client is the one with a copy, where there is one.

| | goal | best | on adapter | met | times less than amqp091-go | times the floor | dearest adapter / best |
|---|---:|---:|---|---|---:|---:|---:|
`, mostSpread, timesLess)
		for _, row := range r.sink.rows {
			for _, api := range []string{"blocking", "callback"} {
				if c, ok := r.sink.goalCell(row, api); ok {
					fmt.Fprintf(b, "| %s, %s | %s | %s | %s | %s | %s | %s | %s |\n", row.name, api, numberOr(c.goal), number(c.best), c.adapter, c.met(), over(c.peer, c.best), over(c.best, c.floor), number(c.spread))
				}
			}
		}
	}
	if rows := r.otherGoals(); len(rows) > 0 {
		b.WriteString("\n| | goal, at most | measured | met |\n|---|---:|---:|---|\n" + strings.Join(rows, ""))
	}
}

func numberOr(v float64) string {
	if v == 0 {
		return "–"
	}
	return number(v)
}

// otherGoals are rows of a table.
func (r *report) otherGoals() (rows []string) {
	add := func(what string, most, got, tolerance float64) {
		met := "yes"
		if got > most+tolerance {
			met = "**no**"
		}
		rows = append(rows, fmt.Sprintf("| %s | %s | %s | %s |\n", what, number(most), number(got), met))
	}
	if r.sink != nil {
		for _, g := range allocationGoals {
			if got, ok := r.sink.of(isBlocking).best(row{name: g.row}, allocs); ok {
				add("allocations per message, "+g.row+", blocking", g.most, got, tolerance)
			}
		}
	}
	if r.idle == nil || len(r.idle.rows) == 0 {
		return rows
	}
	for _, g := range idleGoals {
		s := haypile("callback", g.adapter)
		cell := r.idle.at(r.idle.rows[0], s)
		if got, ok := cell.median("resident_bytes"); ok {
			add("resident bytes of an idle connection, "+s.name, g.most, got, 0)
		}
		if got, ok := cell.median("cpu_percent"); ok {
			add(fmt.Sprintf("%% of a core for the heartbeats of %.0f, %s", cell[0]["n"], s.name), mostBeats, got, 0)
		}
	}
	return rows
}
