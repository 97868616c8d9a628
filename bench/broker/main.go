// Broker measures package broker, in a process of its own, with haypile's blocking
// client.
//
//	go run ./broker -mode load     publish, confirm, consume and ack, against RabbitMQ
//	go run ./broker -mode idle     what a connection costs that does nothing
//	go run ./broker -mode curves   what a message costs in deep queues, among many bindings and consumers
//
// load starts a RabbitMQ beside the broker and measures one after the other, round
// by round, so that both meet the same machine. A line of key=value is printed for
// each measurement, a last one for the medians.
package main

import (
	"flag"
	"fmt"
	"log"
	"time"
)

// job is what is to be measured.
type job struct {
	adapter  string // of the broker's loop
	n        int    // messages, or connections
	size     int    // bytes of a body
	pairs    int    // connections that publish, and as many that consume
	window   int    // of confirms, and the prefetch
	rounds   int
	rabbitmq bool
	hold     time.Duration
}

var modes = map[string]func(job) error{
	"load":   load,
	"idle":   idle,
	"curves": curves,
	"serve":  serve,
}

func main() {
	log.SetFlags(0)
	var j job
	name := flag.String("mode", "load", "load, idle or curves; serve is for the program itself")
	flag.StringVar(&j.adapter, "adapter", "stdnet", "the broker's loop")
	flag.IntVar(&j.n, "n", 0, "messages of a round, or connections; default: 100000, or 10000")
	flag.IntVar(&j.size, "size", 256, "bytes of a body")
	flag.IntVar(&j.pairs, "pairs", 1, "publishers, and as many consumers, with a queue for each pair")
	flag.IntVar(&j.window, "window", 1000, "publishes that wait for confirms, and the prefetch")
	flag.IntVar(&j.rounds, "rounds", 5, "rounds of load")
	flag.BoolVar(&j.rabbitmq, "rabbitmq", true, "compare with RabbitMQ")
	flag.DurationVar(&j.hold, "hold", 22*time.Second, "how long idle connections are held before they are measured")
	flag.Parse()
	run := modes[*name]
	if run == nil {
		log.Fatalf("no mode %q", *name)
	}
	if err := run(j); err != nil {
		log.Fatal(fmt.Errorf("%s: %w", *name, err))
	}
}
