package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// page is the report's file.
const page = "README.md"

// report is what was measured.
type report struct {
	dir                  string
	machine              []string
	began                time.Time
	took                 time.Duration
	quick                bool
	rounds               int
	left                 []string // what is not in it
	sink, rabbitmq, idle *table
	curves               []*curve
}

// measure is one of load's, as a table shows it.
type measure struct {
	name, title string
	lessIsMore  bool
}

var (
	cpu    = measure{"cpu_us_per_msg", "CPU time per message, µs", true}
	rate   = measure{"msgs_s", "Messages per second", false}
	allocs = measure{"allocs_per_msg", "Allocations per message", true}
	writes = measure{"writes_per_msg", "System calls that write, per message", true}
	p50    = measure{"p50_us", "Round trip, median, µs", true}
	p99    = measure{"p99_us", "Round trip, 99th percentile, µs", true}
)

// write writes the page and its charts.
func (r *report) write() error {
	var b strings.Builder
	fmt.Fprintf(&b, "# Measurements\n\nMade by `go run ./run`, in %v. Every line that was measured is in [raw.txt](raw.txt).\n\n", r.took)
	if r.quick {
		b.WriteString("This was a quick run: it shows that all works, not how well.\n\n")
	}
	for _, line := range r.machine {
		fmt.Fprintf(&b, "- %s\n", line)
	}
	b.WriteString("\nCPU time is that of the client's process. Cells are medians, with the range of all rounds.\n")
	var errs []error
	for _, part := range []func(*strings.Builder) error{r.writeSink, r.writeRabbitMQ, r.writeIdle, r.writeCurves} {
		errs = append(errs, part(&b))
	}
	errs = append(errs, os.WriteFile(filepath.Join(r.dir, page), []byte(b.String()), 0o644))
	return errors.Join(errs...)
}

func (r *report) writeSink(b *strings.Builder) error {
	if r.sink == nil {
		return nil
	}
	b.WriteString("\n## Against the sink\n\nA broker that costs next to nothing: what is measured is the client. The floor is raw sockets and\nthe same bytes in large writes and reads, with no library; a blocking client must copy besides.\n")
	blocking, callback := r.sink.only("floor with a copy", "amqp091-go", "blocking"), r.sink.only("floor", "callback")
	callback.subjects = callback.without("floor with a copy")
	for _, m := range []measure{cpu, rate, allocs, writes} {
		writeTable(b, m, "blocking", blocking, amqp091.name)
		writeTable(b, m, "callbacks", callback, floor.name)
	}
	trips := r.sink.trips()
	for _, m := range []measure{p50, p99} {
		writeTable(b, m, "", trips, amqp091.name)
	}
	return r.chart(b, "cpu-sink.svg", "µs of CPU per message, against a sink (log)", r.sink, cpu)
}

func (r *report) writeRabbitMQ(b *strings.Builder) error {
	if r.rabbitmq == nil {
		return nil
	}
	b.WriteString("\n## Against RabbitMQ\n\nWhere a name ends in \"1 ms\", the connection has a latency budget of that.\n")
	for _, m := range []measure{rate, cpu, writes} {
		writeTable(b, m, "", r.rabbitmq, amqp091.name)
	}
	for _, m := range []measure{p50, p99} {
		writeTable(b, m, "", r.rabbitmq.trips(), amqp091.name)
	}
	return errors.Join(
		r.chart(b, "cpu-rabbitmq.svg", "µs of CPU per message, against RabbitMQ (log)", r.rabbitmq, cpu),
		r.chart(b, "rate-rabbitmq.svg", "messages per second, with RabbitMQ (log)", r.rabbitmq, rate),
	)
}

func (r *report) writeIdle(b *strings.Builder) error {
	if r.idle == nil || len(r.idle.rows) == 0 {
		return nil
	}
	b.WriteString("\n## Idle connections\n\nA channel each, and heartbeats of ten seconds both ways.\n\n| | resident, bytes | heap, bytes | goroutines | CPU of all, % of a core |\n|---|---:|---:|---:|---:|\n")
	row := r.idle.rows[0]
	for _, s := range r.idle.subjects {
		cell := r.idle.at(row, s)
		if len(cell) == 0 {
			continue
		}
		v := cell[0]
		fmt.Fprintf(b, "| %s, %.0f connections | %.0f | %.0f | %.2f | %.2f |\n", s.name, v["n"], v["resident_bytes"], v["heap_bytes"], v["goroutines"], v["cpu_percent"])
	}
	return r.chart(b, "memory.svg", "resident bytes of an idle connection (log)", r.idle, measure{name: "resident_bytes", lessIsMore: true})
}

func (r *report) writeCurves(b *strings.Builder) error {
	if len(r.curves) == 0 {
		return nil
	}
	b.WriteString("\n## Scale\n\nµs of CPU per message against the sink.\n")
	var errs []error
	for _, c := range r.curves {
		file := "scale-" + c.name + ".svg"
		fmt.Fprintf(b, "\n![%s](%s)\n\n| %s |", c.axis, file, c.axis)
		for _, s := range c.subjects {
			fmt.Fprintf(b, " %s |", s.name)
		}
		b.WriteString("\n|---:|" + strings.Repeat("---:|", len(c.subjects)) + "\n")
		for _, x := range c.points {
			fmt.Fprintf(b, "| %d |", x)
			for _, s := range c.subjects {
				fmt.Fprintf(b, " %s |", middle(c.table.at(c.at(x), s), cpu))
			}
			b.WriteString("\n")
		}
		errs = append(errs, os.WriteFile(filepath.Join(r.dir, file), curveChart(c), 0o644))
	}
	return errors.Join(errs...)
}

// chart writes a chart of bars, and shows it on the page.
func (r *report) chart(b *strings.Builder, file, title string, t *table, m measure) error {
	fmt.Fprintf(b, "\n![%s](%s)\n", title, file)
	return os.WriteFile(filepath.Join(r.dir, file), barChart(title, t, m), 0o644)
}
