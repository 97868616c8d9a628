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
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// plan is what is asked for.
type plan struct {
	out      string
	quick    bool
	rounds   int
	rabbitmq string
	profile  bool
	only     *regexp.Regexp
	parts    string
}

func main() {
	log.SetFlags(0)
	var p plan
	flag.StringVar(&p.out, "out", "results", "the folder to write to")
	flag.BoolVar(&p.quick, "quick", false, "one round of a tenth, without the curves")
	flag.IntVar(&p.rounds, "rounds", 3, "rounds, of which the median counts")
	flag.StringVar(&p.rabbitmq, "rabbitmq", "", `a broker's URI, or "none"; default: one that is started for it, if RabbitMQ is installed`)
	flag.BoolVar(&p.profile, "profile", false, "write profiles, and measure nothing")
	flag.StringVar(&p.parts, "parts", "sink,rabbitmq,idle,scale", "what to measure")
	only := flag.String("only", "", "the rows to measure, a regular expression")
	flag.Parse()
	var err error
	if p.only, err = regexp.Compile(*only); err == nil {
		err = p.run()
	}
	if err != nil {
		log.Fatal(err)
	}
}

func (p *plan) run() error {
	if p.quick {
		p.rounds = 1
	}
	if err := os.MkdirAll(p.out, 0o755); err != nil {
		return err
	}
	bench, err := newBench(p)
	if err != nil {
		return err
	}
	defer bench.close()
	began := time.Now()
	r := &report{dir: p.out}
	if p.profile {
		return bench.profileRows()
	}
	for _, part := range []struct {
		name string
		run  func(*report) error
	}{{"sink", bench.sink}, {"rabbitmq", bench.rabbitmq}, {"idle", bench.idle}, {"scale", bench.scale}} {
		if strings.Contains(p.parts, part.name) && !(p.quick && part.name == "scale") {
			err = errors.Join(err, part.run(r))
		}
	}
	r.machine = machine(bench.broker)
	r.took = time.Since(began).Round(time.Second)
	r.quick = p.quick
	if err := errors.Join(err, r.write()); err != nil {
		return err
	}
	fmt.Printf("%s, in %v\n", filepath.Join(p.out, page), r.took)
	return nil
}
