// Run makes all measurements and writes what came of them: a page of tables, charts,
// and the lines of every single measurement.
//
//	cd bench && go run ./run            # under 15 minutes
//	cd bench && go run ./run -quick     # under one, to see that it works
//
// Each measurement is a process of its own, the program load. Those of a round are
// made in turns, so that whatever else the machine does meets all alike; medians
// and ranges are of the rounds. The broker is load's sink, which costs next to
// nothing, so that what is measured is the client, and then RabbitMQ.
//
// RabbitMQ is started if it is installed; -rabbitmq names another broker, or "none".
// -profile makes no measurement but leaves profiles of CPU time and of allocations
// for each row and subject. -only keeps the rows whose name matches.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// plan is what is asked for.
type plan struct {
	ctx      context.Context
	out      string
	quick    bool
	rounds   int
	rabbitmq string
	profile  bool
	only     *regexp.Regexp
	parts    []string
}

var allParts = []string{"sink", "rabbitmq", "idle", "scale"}

func main() {
	log.SetFlags(0)
	p, err := parsePlan(os.Args[1:])
	if err == nil {
		var stop context.CancelFunc
		p.ctx, stop = signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		context.AfterFunc(p.ctx, stop) // a second one ends the program at once
		err = p.run()
	}
	if err != nil {
		log.Fatal(err)
	}
}

// parsePlan ends the program where flags are none.
func parsePlan(args []string) (*plan, error) {
	p := &plan{}
	flag := flag.NewFlagSet("run", flag.ExitOnError)
	flag.StringVar(&p.out, "out", "results", "the folder to write to")
	flag.BoolVar(&p.quick, "quick", false, "one round of a tenth, without the curves")
	flag.IntVar(&p.rounds, "rounds", 3, "rounds, of which the median counts")
	flag.StringVar(&p.rabbitmq, "rabbitmq", "", `a broker's URI, or "none"; default: one that is started for it, if RabbitMQ is installed`)
	flag.BoolVar(&p.profile, "profile", false, "write profiles, and measure nothing")
	parts := flag.String("parts", strings.Join(allParts, ","), "what to measure")
	only := flag.String("only", "", "the rows to measure, a regular expression")
	flag.Parse(args)
	p.parts = strings.Split(*parts, ",")
	for _, part := range p.parts {
		if !slices.Contains(allParts, part) {
			return nil, fmt.Errorf("no part %q", part)
		}
	}
	switch {
	case flag.NArg() > 0:
		return nil, fmt.Errorf("what is %q?", flag.Arg(0))
	case p.rounds < 1:
		return nil, fmt.Errorf("-rounds is %d", p.rounds)
	case p.quick:
		p.rounds = 1
	}
	var err error
	p.only, err = regexp.Compile(*only)
	return p, err
}

// timed runs a part, and notes what that took.
func (b *bench) timed(name string, r *report, run func(*report) error) error {
	began, runs := time.Now(), b.runs
	err := run(r)
	r.parts = append(r.parts, part{name, b.runs - runs, time.Since(began)})
	return err
}

func (p *plan) run() error {
	if err := os.MkdirAll(filepath.Join(p.out, filepath.Dir(p.rawFile())), 0o755); err != nil {
		return err
	}
	bench, err := newBench(p)
	if err != nil {
		return err
	}
	defer bench.close()
	if p.profile {
		return bench.profileRows()
	}
	began := time.Now()
	r := &report{dir: p.out, quick: p.quick, rounds: p.rounds}
	for _, part := range []struct {
		name string
		run  func(*report) error
	}{{"sink", bench.sink}, {"rabbitmq", bench.rabbitmq}, {"idle", bench.idle}, {"scale", bench.scale}} {
		switch {
		case !slices.Contains(p.parts, part.name):
			r.left = append(r.left, part.name)
		case p.quick && part.name == "scale":
		default:
			err = errors.Join(err, bench.timed(part.name, r, part.run))
		}
		if p.ctx.Err() != nil {
			return fmt.Errorf("interrupted; the lines of what was measured are in %s", bench.raw.Name())
		}
	}
	if p.only.String() != "" {
		r.left = append(r.left, "rows that do not match "+p.only.String())
	}
	if err != nil {
		r.left = append(r.left, "what failed")
	}
	r.machine = machine(bench.broker)
	r.began, r.took = began, time.Since(began).Round(time.Second)
	if err := errors.Join(err, r.write()); err != nil {
		return err
	}
	fmt.Printf("%s, in %v\n", filepath.Join(p.out, page), r.took)
	return nil
}
