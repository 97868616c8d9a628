package main

import (
	"fmt"
	"slices"
	"strings"
)

// of is the table of those subjects that are to be kept.
func (t *table) of(keep func(subject) bool) *table {
	part := &table{rows: t.rows, cells: t.cells}
	for _, s := range t.subjects {
		if keep(s) {
			part.subjects = append(part.subjects, s)
		}
	}
	return part
}

// trips is the table of those rows that have round trips.
func (t *table) trips() *table {
	part := &table{subjects: t.subjects, cells: t.cells}
	for _, r := range t.rows {
		if r.mode == "rpc" || r.mode == "pingpong" {
			part.rows = append(part.rows, r)
		}
	}
	return part
}

// best is the best median among the subjects of haypile.
func (t *table) best(r row, m measure) (best float64, ok bool) {
	for _, s := range t.subjects {
		v, is := t.at(r, s).median(m.name)
		if is && isHaypile(s) && (!ok || m.lessIsMore == (v < best)) {
			best, ok = v, true
		}
	}
	return best, ok
}

// How tables are divided: what can be compared stands in one.
func isHaypile(s subject) bool   { return s.api == "blocking" || s.api == "callback" }
func isFloor(s subject) bool     { return s.name == floor.name || s.name == floorCopy.name }
func isPeer(s subject) bool      { return s.name == amqp091.name }
func isBlocking(s subject) bool  { return s.api == "blocking" && !s.budget }
func isCallback(s subject) bool  { return s.api == "callback" && !s.budget }
func hasNoBudget(s subject) bool { return !s.budget }
func hasBudget(s subject) bool   { return s.budget }

// writeTable writes a measure, with how haypile's best compares with a subject.
func writeTable(b *strings.Builder, m measure, kind string, t *table, against subject) {
	if len(t.rows) == 0 || !slices.ContainsFunc(t.subjects, isHaypile) {
		return
	}
	fmt.Fprintf(b, "\n### %s: %s\n\n| |", m.title, kind)
	subjects := slices.DeleteFunc(slices.Clone(t.subjects), func(s subject) bool { return !t.has(s) })
	for _, s := range subjects {
		fmt.Fprintf(b, " %s |", s.name)
	}
	fmt.Fprintf(b, " %s |\n|---|%s---:|\n", m.compared(against), strings.Repeat("---:|", len(subjects)))
	for _, r := range t.rows {
		if _, ok := t.best(r, m); !ok {
			continue // nothing to compare
		}
		fmt.Fprintf(b, "| %s |", r.name)
		for _, s := range subjects {
			fmt.Fprintf(b, " %s |", cell(t.at(r, s), m))
		}
		fmt.Fprintf(b, " %s |\n", t.ratio(r, m, against))
	}
}

// summary has the best of haypile's adapters for each API.
func (t *table) summary(m measure) *table {
	short := &table{rows: t.rows, subjects: t.of(func(s subject) bool { return s.name == floor.name || isPeer(s) }).subjects, cells: map[[2]string]series{}}
	for _, r := range t.rows {
		for _, s := range short.subjects {
			short.cells[[2]string{r.name, s.name}] = t.at(r, s)
		}
	}
	for api, is := range map[string]func(subject) bool{"blocking": isBlocking, "callback": isCallback} {
		part := t.of(is)
		for _, r := range t.rows {
			if v, ok := part.best(r, m); ok {
				short.cells[[2]string{r.name, bestOf(api).name}] = series{{m.name: v}}
			}
		}
	}
	short.subjects = append(short.subjects, bestOf("blocking"), bestOf("callback"))
	return short
}

func bestOf(api string) subject { return subject{name: api + ", best adapter", api: api} }

// has tells that a subject has any of the rows.
func (t *table) has(s subject) bool {
	return slices.ContainsFunc(t.rows, func(r row) bool { return len(t.at(r, s)) > 0 })
}

// bestFirst tells what a ratio is of. Beside the floor it says how many times that
// the best costs, beside another client how many times better the best is.
func (m measure) bestFirst(against subject) bool { return m.lessIsMore == isFloor(against) }

// compared is the head of the column of ratios.
func (m measure) compared(against subject) string {
	if m.bestFirst(against) {
		return "best / " + against.name
	}
	return against.name + " / best"
}

// ratio is how haypile's best compares with a subject.
func (t *table) ratio(r row, m measure, against subject) string {
	best, ok := t.best(r, m)
	other, has := t.at(r, against).median(m.name)
	if m.bestFirst(against) {
		best, other = other, best
	}
	switch {
	case !ok || !has || best <= 0:
		return "–"
	case other/best > 1000:
		return ">1000"
	}
	return number(other / best)
}

// cell is a median with its range.
func cell(s series, m measure) string {
	all := s.of(m.name)
	if len(all) < 2 {
		return middle(s, m)
	}
	return fmt.Sprintf("%s (%s–%s)", middle(s, m), number(all[0]), number(all[len(all)-1]))
}

func middle(s series, m measure) string {
	v, ok := s.median(m.name)
	if !ok {
		return "–"
	}
	return number(v)
}

// number has three digits that count.
func number(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 0.001:
		return "<0.001"
	case v < 100:
		return fmt.Sprintf("%.3g", v)
	case v >= 999_500:
		return fmt.Sprintf("%.3gM", v/1e6)
	case v >= 9_995:
		return fmt.Sprintf("%.3gk", v/1e3)
	}
	return fmt.Sprintf("%.0f", v)
}
