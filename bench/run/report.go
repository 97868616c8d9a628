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
	parts                []part
	sink, rabbitmq, idle *table
	curves               []*curve
}

// part is what a part of the run took.
type part struct {
	name         string
	measurements int
	took         time.Duration
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

// legend is what a reader must know.
const legend = `
Rows are the modes of [load](../load/main.go), which says what each does; bodies are of 64 bytes unless a row says
otherwise. Columns are who was measured:

- **blocking on** an adapter: haypile's client for goroutines;
- **callback on** an adapter: haypile's core, driven by callbacks;
- **amqp091-go**: github.com/rabbitmq/amqp091-go; against the sink it moves a quarter of the messages, as each takes longer;
- **floor**: raw sockets, the same bytes in large writes and reads, with no library; **floor with a copy** copies each body
  that comes besides, as a client must whose deliveries may be kept.

In the row *reused*, bodies share memory and are lent until the program takes the next (Consume.ReuseBodies); in all other
rows, those that the blocking client hands out are the program's to keep. In the row *no map*, the headers of each message
are built by a wire.TableBuilder, as callbacks' always are. Bodies of 16 KiB or more are lent by callbacks (PublishLoan).

CPU time is that of the client's process, system calls included. The last column compares the best median among haypile's
in the table: with amqp091-go, how many times better that is; with the floor, how many times as much it takes. Above one is
good in the first case, and one is as good as can be in the second. A dash is what does not exist or was not measured; k is
a thousand, M a million. Fractions of an allocation are buffers that grow at first.
`

// write writes the page and its charts.
func (r *report) write() error {
	var b strings.Builder
	fmt.Fprintf(&b, "# Measurements\n\nMade by `cd bench && go run ./run` on %s, in %v. Every line that was measured is in [raw.txt](raw.txt).\n\n", r.began.Format(time.DateOnly), r.took)
	if r.quick {
		b.WriteString("This was a quick run: it shows that all works, not how well.\n\n")
	}
	if len(r.left) > 0 {
		fmt.Fprintf(&b, "Not in it: %s.\n\n", strings.Join(r.left, ", "))
	}
	for _, line := range r.machine {
		fmt.Fprintf(&b, "- %s\n", line)
	}
	b.WriteString(legend)
	if r.rounds > 1 {
		fmt.Fprintf(&b, "\nCells are medians of %d rounds, with their range; of idle connections and of curves there was one.\n", r.rounds)
	}
	r.writeTimes(&b)
	r.writeGoals(&b)
	var errs []error
	for _, part := range []func(*strings.Builder) error{r.writeSink, r.writeRabbitMQ, r.writeIdle, r.writeCurves} {
		errs = append(errs, part(&b))
	}
	errs = append(errs, os.WriteFile(filepath.Join(r.dir, page), []byte(b.String()), 0o644))
	return errors.Join(errs...)
}

// writeTimes tells where the time went.
func (r *report) writeTimes(b *strings.Builder) {
	if len(r.parts) == 0 {
		return
	}
	b.WriteString("\n| part | measurements | took |\n|---|---:|---:|\n")
	for _, p := range r.parts {
		fmt.Fprintf(b, "| %s | %d | %v |\n", p.name, p.measurements, p.took.Round(time.Second))
	}
}

func (r *report) writeSink(b *strings.Builder) error {
	if r.sink == nil {
		return nil
	}
	b.WriteString("\n## Against the sink\n\nA broker that costs next to nothing: what is measured is the client.\n")
	blocking := r.sink.of(func(s subject) bool { return isFloor(s) || isPeer(s) || isBlocking(s) })
	callback := r.sink.of(func(s subject) bool { return s.name == floor.name || isCallback(s) })
	for _, m := range []measure{cpu, rate, allocs, writes} {
		writeTable(b, m, "blocking", blocking, amqp091)
		writeTable(b, m, "callbacks", callback, floor)
	}
	for _, m := range []measure{p50, p99} {
		writeTable(b, m, "blocking", blocking.trips(), amqp091)
		writeTable(b, m, "callbacks", callback.trips(), floor)
	}
	return errors.Join(
		r.chart(b, "cpu-best.svg", "µs of CPU per message, against a sink (log)", r.sink.summary(cpu), cpu),
		r.chart(b, "cpu-sink.svg", "µs of CPU per message on each adapter, against a sink (log)", r.sink, cpu),
	)
}

const aboutRabbitMQ = `
## Against RabbitMQ

It takes most of the machine. Bodies of more than 64 bytes are moved by amqp091-go, the floor, and haypile on the adapter
that took least CPU for them against the sink.
`

func (r *report) writeRabbitMQ(b *strings.Builder) error {
	if r.rabbitmq == nil {
		return nil
	}
	b.WriteString(aboutRabbitMQ)
	plain := r.rabbitmq.of(hasNoBudget)
	for _, m := range []measure{rate, cpu, writes, p50, p99} {
		t := plain
		if m == p50 || m == p99 {
			t = t.trips()
		}
		for _, kind := range []struct {
			name string
			is   func(subject) bool
		}{{"blocking", isBlocking}, {"callbacks", isCallback}} {
			writeTable(b, m, kind.name, t.of(func(s subject) bool { return s.name == floor.name || isPeer(s) || kind.is(s) }), amqp091)
		}
	}
	r.rabbitmq.writeBudget(b)
	return errors.Join(
		r.chart(b, "cpu-rabbitmq.svg", "µs of CPU per message, against RabbitMQ (log)", plain, cpu),
		r.chart(b, "rate-rabbitmq.svg", "messages per second, with RabbitMQ (log)", plain, rate),
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

const aboutCurves = `
## Scale

µs of CPU per message against the sink, of one measurement each. The points of a curve move the same number of messages in
all, but for those where a connection, channel or consumer would have fewer than %d; bodies, about the same bytes.
`

func (r *report) writeCurves(b *strings.Builder) error {
	if len(r.curves) == 0 {
		return nil
	}
	fmt.Fprintf(b, aboutCurves, fewestEach)
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
