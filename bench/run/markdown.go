package main

import (
	"fmt"
	"slices"
	"strings"
)

// only is the table of those subjects whose name begins so.
func (t *table) only(prefixes ...string) *table {
	part := &table{rows: t.rows, cells: t.cells}
	for _, s := range t.subjects {
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(s.name, p) }) {
			part.subjects = append(part.subjects, s)
		}
	}
	return part
}

func (t *table) without(name string) []subject {
	return slices.DeleteFunc(slices.Clone(t.subjects), func(s subject) bool { return s.name == name })
}

// trips is the table of those rows that have round trips.
func (t *table) trips() *table {
	part := &table{subjects: t.without(floorCopy.name), cells: t.cells}
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

func isHaypile(s subject) bool { return s.api == "blocking" || s.api == "callback" }

// writeTable writes a measure, with how haypile's best compares with a subject.
func writeTable(b *strings.Builder, m measure, kind string, t *table, against string) {
	if len(t.rows) == 0 {
		return
	}
	title := m.title
	if kind != "" {
		title += ": " + kind
	}
	fmt.Fprintf(b, "\n%s\n\n| |", title)
	for _, s := range t.subjects {
		fmt.Fprintf(b, " %s |", s.name)
	}
	fmt.Fprintf(b, " %s / best |\n|---|%s---:|\n", against, strings.Repeat("---:|", len(t.subjects)))
	for _, r := range t.rows {
		fmt.Fprintf(b, "| %s |", r.name)
		for _, s := range t.subjects {
			fmt.Fprintf(b, " %s |", cell(t.at(r, s), m))
		}
		fmt.Fprintf(b, " %s |\n", t.ratio(r, m, against))
	}
}

// ratio is how many times the best of haypile's the subject is.
func (t *table) ratio(r row, m measure, against string) string {
	best, ok := t.best(r, m)
	other, has := t.at(r, subject{name: against}).median(m.name)
	if !ok || !has || best <= 0 {
		return "–"
	}
	if other/best > 1000 {
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
