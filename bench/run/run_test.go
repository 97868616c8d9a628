package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// measured is a table with three rounds of one row.
func measured() *table {
	r := newRow("publish", "publish", 1000)
	ours, other := haypile("blocking", "stdnet"), subject{name: amqp091.name, args: amqp091.args}
	t := &table{rows: []row{r}, subjects: []subject{other, ours}, cells: map[[2]string]series{}}
	for _, v := range []float64{3, 1, 2} {
		for s, factor := range map[string]float64{other.name: 10, ours.name: 1} {
			key := [2]string{r.name, s}
			t.cells[key] = append(t.cells[key], values{"cpu_us_per_msg": v * factor, "msgs_s": 1000 / factor})
		}
	}
	return t
}

func TestALineOfLoadIsRead(t *testing.T) {
	v, err := parse("peer=haypile mode=publish n=10 msgs_s=1.5e+06 p50_us=0.0\n")
	if err != nil {
		t.Fatal(err)
	}
	if v["n"] != 10 || v["msgs_s"] != 1.5e6 {
		t.Errorf("got %v", v)
	}
	for _, line := range []string{"", "panic: oh"} {
		if _, err := parse(line); err == nil {
			t.Errorf("%q was taken", line)
		}
	}
}

func TestCellsAreMediansWithTheirRange(t *testing.T) {
	m := measured()
	if got, want := cell(m.at(m.rows[0], m.subjects[1]), cpu), "2 (1–3)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := cell(m.at(m.rows[0], floor), cpu), "–"; got != want {
		t.Errorf("a cell that was not measured is %q, want %q", got, want)
	}
}

func TestRatiosSayHowManyTimesBetterThanAPeerTheBestIs(t *testing.T) {
	checkRatio(t, measured(), amqp091, "10", map[measure]string{cpu: "amqp091-go / best", rate: "best / amqp091-go"})
}

func TestRatiosSayHowManyTimesTheFloorTheBestTakes(t *testing.T) {
	m := measured()
	m.cells[[2]string{"publish", floor.name}] = series{{"cpu_us_per_msg": 1, "msgs_s": 2000}}
	checkRatio(t, m, floor, "2", map[measure]string{cpu: "best / floor", rate: "floor / best"})
}

// checkRatio looks at the ratio to a subject, and at its column's head, by measure.
func checkRatio(t *testing.T, m *table, to subject, want string, heads map[measure]string) {
	t.Helper()
	for measure, head := range heads {
		if got := m.ratio(m.rows[0], measure, to); got != want {
			t.Errorf("%s: %s, want %s", measure.title, got, want)
		}
		if got := measure.compared(to); got != head {
			t.Errorf("%s: %q, want %q", measure.title, got, head)
		}
	}
}

func TestAMedianOfTwoIsBetweenThem(t *testing.T) {
	if got, ok := (series{{"x": 3}, {"x": 1}}).median("x"); got != 2 || !ok {
		t.Errorf("it is %v", got)
	}
}

func TestABudgetStandsBesideNone(t *testing.T) {
	r := measured()
	with := patient(haypile("blocking", "stdnet"))
	if !with.does(newRow("", "consume-ack", 1)) || with.does(newRow("", "rpc", 1)) {
		t.Error("it is measured for other modes")
	}
	r.subjects = append(r.subjects, with)
	if got := r.of(isBlocking).subjects; len(got) != 1 {
		t.Errorf("blocking: %v", got)
	}
	r.cells[[2]string{"publish", with.name}] = series{{cpu.name: 0.5, rate.name: 2000}}
	var b strings.Builder
	r.writeBudget(&b)
	if want := "| publish, blocking on stdnet | 2 (1–3) | 0.5 | 1000 (1000–1000) | 2000 |"; !strings.Contains(b.String(), want) {
		t.Errorf("no %q in %s", want, b.String())
	}
}

func TestACellSaysHowItsGoalWasMet(t *testing.T) {
	for name, c := range map[string]struct {
		row                     string
		stdnet, gnet            float64
		floor, peer             float64
		goal                    float64
		adapter, met, peerRatio string
	}{
		"a figure that was met":     {"publish-confirm", 0.7, 0.6, 0.1, 6, 0.8, "gnet", "yes", "10"},
		"a figure that was not":     {"publish-confirm", 0.9, 1, 0.1, 9, 0.8, "stdnet", "**no**", "10"},
		"a slower machine":          {"publish-confirm", 0.9, 1, 0.1, 18, 0.8, "stdnet", "as a ratio", "20"},
		"an adapter that costs":     {"publish-confirm", 0.3, 0.7, 0.1, 3, 0.8, "stdnet", "yes, **not by all**", "10"},
		"no goal":                   {"publish 64 KiB", 1, 1.1, 0.5, 50, 0, "stdnet", "–", "50"},
		"nothing to be measured by": {"publish 64 KiB", 1, 1, 1, 0, 0, "stdnet", "–", "–"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRow(c.row, "rpc", 1)
			stdnet, gnet := haypile("blocking", "stdnet"), haypile("blocking", "gnet")
			m := &table{rows: []row{r}, subjects: []subject{floor, amqp091, stdnet, gnet}, cells: map[[2]string]series{}}
			for s, v := range map[string]float64{floor.name: c.floor, amqp091.name: c.peer, stdnet.name: c.stdnet, gnet.name: c.gnet} {
				m.cells[[2]string{c.row, s}] = series{{cpu.name: v}}
			}
			got, ok := m.goalCell(r, "blocking")
			if !ok || got.goal != c.goal || got.adapter != c.adapter || got.met() != c.met || over(got.peer, got.best) != c.peerRatio {
				t.Errorf("%+v, met: %s, ratio %s", got, got.met(), over(got.peer, got.best))
			}
			if _, ok := m.goalCell(r, "callback"); ok {
				t.Error("callbacks were measured")
			}
		})
	}
}

func TestGoalsAreOfRowsThatAre(t *testing.T) {
	names := map[string]bool{}
	for _, r := range sinkRows() {
		names[r.name] = true
	}
	for g := range goals {
		if !names[g] {
			t.Errorf("no row %q", g)
		}
	}
	for _, g := range allocationGoals {
		if !names[g.row] {
			t.Errorf("no row %q", g.row)
		}
	}
}

func TestLargeBodiesGoToRabbitMQByTheCheapestAdapter(t *testing.T) {
	r := newRow("publish 1 MiB", "publish", 1)
	sink := &table{rows: []row{r}, subjects: everywhere("blocking"), cells: map[[2]string]series{}}
	for i, s := range sink.subjects {
		sink.cells[[2]string{r.name, s.name}] = series{{cpu.name: float64(10 - i)}}
	}
	for _, r := range rabbitRows(sink) {
		if r.name != "publish 1 MiB" {
			continue
		}
		for i, s := range sink.subjects {
			if got, want := s.does(r), i == len(sink.subjects)-1; got != want {
				t.Errorf("%s: %v, want %v", s.name, got, want)
			}
		}
		return
	}
	t.Error("there is no such row")
}

func TestNonsenseIsRefused(t *testing.T) {
	for _, flags := range []string{"-parts nothing", "-rounds 0", "-only (", "more"} {
		if _, err := parsePlan(strings.Fields(flags)); err == nil {
			t.Errorf("%s was taken", flags)
		}
	}
}

func TestNumbersAreShort(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.00012: "<0.001", 0.1234: "0.123", 12.34: "12.3", 1234: "1234", 123_456: "123k", 999_600: "1M", 3_606_697: "3.61M"} {
		if got := number(v); got != want {
			t.Errorf("%v is %q, want %q", v, got, want)
		}
	}
}

func TestAReportIsWritten(t *testing.T) {
	dir := t.TempDir()
	c := &curve{name: "things", axis: "things", points: []int{0, 1, 100}, subjects: []subject{haypile("blocking", "stdnet")}, rowAt: func(int) row { return newRow("", "publish", 1) }}
	c.table = &table{cells: map[[2]string]series{{"1", "blocking on stdnet"}: {{"cpu_us_per_msg": 0.5}}}}
	r := &report{dir: dir, rounds: 3, left: []string{"what failed"}, parts: []part{{name: "sink", measurements: 7}}, machine: []string{"a machine"}, sink: measured(), rabbitmq: measured(), idle: measured(), curves: []*curve{c}}
	if err := r.write(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, page))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"a machine", "Not in it: what failed.", "## Goals", "| publish, blocking | – | 2 | stdnet | – | 10 | – |", "| sink | 7 |", "## Against the sink", "## Against RabbitMQ", "## Idle connections", "## Scale", "| publish | 20 (10–30) | 2 (1–3) | 10 |"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the page has no %q", want)
		}
	}
	charts, err := filepath.Glob(filepath.Join(dir, "*.svg"))
	if err != nil || len(charts) != 6 {
		t.Fatalf("charts %v, %v", charts, err)
	}
	for _, file := range charts {
		if !strings.Contains(string(text), "("+filepath.Base(file)+")") {
			t.Errorf("the page does not show %s", file)
		}
		checkXML(t, file)
	}
}

func checkXML(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(bytes.NewReader(text))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
}

func TestEveryRowIsMeasuredForSomebody(t *testing.T) {
	for _, r := range append(sinkRows(), rabbitRows(nil)...) {
		if !amqp091.does(r) || !haypile("blocking", "stdnet").does(r) {
			t.Errorf("%s is left out", r.name)
		}
	}
	if haypile("callback", "gnet").does(newRow("", "publish-parallel", 1)) {
		t.Error("callbacks publish in parallel")
	}
}
