package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// bench makes measurements by the program load.
type bench struct {
	*plan
	folder string // of load, to be removed
	raw    *os.File
	broker string // version of RabbitMQ
	runs   int    // measurements so far
}

func newBench(p *plan) (*bench, error) {
	folder, err := os.MkdirTemp("", "haypile-bench")
	if err != nil {
		return nil, err
	}
	b := &bench{plan: p, folder: folder}
	build := exec.CommandContext(p.ctx, "go", "build", "-o", b.load(), "./load")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err = build.Run(); err != nil {
		err = fmt.Errorf("building load, which is in the folder bench: %w", err)
	} else {
		b.raw, err = os.Create(filepath.Join(p.out, p.rawFile()))
	}
	if err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

// rawFile is where the lines of load go; those of profiled runs are no measurements.
func (p *plan) rawFile() string {
	if p.profile {
		return filepath.Join(profiles, "raw.txt")
	}
	return "raw.txt"
}

func (b *bench) close() {
	os.RemoveAll(b.folder)
	if b.raw != nil {
		b.raw.Close()
	}
}

func (b *bench) load() string { return filepath.Join(b.folder, "load.exe") }

// values are what one measurement found.
type values map[string]float64

// measure runs load once.
func (b *bench) measure(args ...string) (values, error) {
	cmd := exec.CommandContext(b.ctx, b.load(), args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // so that it leaves nothing behind
	cmd.WaitDelay = 10 * time.Second
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	began := time.Now()
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("load %s: %w: %s", strings.Join(args, " "), err, complaints.Bytes())
	}
	b.runs++
	line := fmt.Sprintf("%s took_s=%.3f\n", bytes.TrimSpace(out), time.Since(began).Seconds())
	if _, err := b.raw.WriteString(line); err != nil {
		return nil, err
	}
	return parse(line)
}

// parse reads a line of load; what is no number is left out.
func parse(line string) (values, error) {
	v := values{}
	for field := range strings.FieldsSeq(line) {
		name, text, ok := strings.Cut(field, "=")
		if !ok {
			return nil, fmt.Errorf("load printed %q", line)
		}
		if n, err := strconv.ParseFloat(text, 64); err == nil {
			v[name] = n
		}
	}
	if len(v) == 0 {
		return nil, errors.New("load printed nothing")
	}
	return v, nil
}

// series are the measurements of a row and a subject, a round each.
type series []values

// of are the values of one measure, in order of size.
func (s series) of(name string) []float64 {
	var all []float64
	for _, v := range s {
		all = append(all, v[name])
	}
	slices.Sort(all)
	return all
}

// median is the middle one, or between two, and false where there is none.
func (s series) median(name string) (float64, bool) {
	all := s.of(name)
	if len(all) == 0 {
		return 0, false
	}
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2, true
}

// table has the series by row and subject.
type table struct {
	rows     []row
	subjects []subject
	cells    map[[2]string]series // by the names of both
}

func (t *table) at(r row, s subject) series { return t.cells[[2]string{r.name, s.name}] }

// fill measures all cells, in turns.
func (b *bench) fill(rows []row, subjects []subject, rounds int, more ...string) (*table, error) {
	t := &table{subjects: subjects, cells: map[[2]string]series{}}
	for _, r := range rows {
		if b.only.MatchString(r.name) {
			t.rows = append(t.rows, r)
		}
	}
	for round := range rounds {
		for _, r := range t.rows {
			began := time.Now()
			for _, s := range subjects {
				if !s.does(r) {
					continue
				}
				v, err := b.measure(slices.Concat(s.args, r.args, []string{"-n", strconv.Itoa(b.count(r, s))}, more)...)
				if err != nil {
					return t, err
				}
				key := [2]string{r.name, s.name}
				t.cells[key] = append(t.cells[key], v)
			}
			fmt.Fprintf(os.Stderr, "round %d of %d: %s, in %v\n", round+1, rounds, r.name, time.Since(began).Round(10*time.Millisecond))
		}
	}
	return t, nil
}

// count is how many messages a measurement takes: fewer where each costs more.
func (b *bench) count(r row, s subject) int {
	n := r.n
	if s.slow {
		n /= 4
	}
	if b.quick {
		n /= 10
	}
	return max(n, r.least, 20)
}
