// Load makes one measurement of a client against a broker, and prints one line of
// key=value.
//
//	go run ./load -mode publish -n 1000000
//	go run ./load -peer amqp091 -mode consume-ack -url amqp://localhost
//
// Without -url it measures against a sink of its own, in a process of its own
// (package bench/internal/sink). Of any other broker it uses -queue and nothing
// else: a program of its own makes that, empties it, fills it for those modes that
// consume, looks at what is left, and deletes it.
//
// Peers are haypile, amqp091 (github.com/rabbitmq/amqp091-go), and floor: raw
// sockets, the same bytes in large writes and reads with no library; with -api
// blocking it copies each body that comes, as a client must whose deliveries may be
// kept. Of haypile, -api chooses blocking, the client for goroutines, or callback,
// package core on a loop.
//
// Modes:
//
//	publish           no properties, no confirms, one goroutine, by turns on
//	                  -channels; ends when a passive declare sent after the last
//	                  message is answered
//	publish-props     with seven properties and five headers, built anew for each
//	publish-confirm   with at most -window unconfirmed
//	publish-parallel  by -publishers goroutines with a channel each; not by callbacks
//	consume-auto      deliveries that need no ack, to -consumers with a channel each
//	consume-props     with properties, which -read has it decode
//	consume-ack       a prefetch of -window, an ack for each
//	consume-multi     an ack for a hundred
//	rpc               a passive declare, one at a time
//	pingpong          a publish, then its delivery on the same connection
//	idle              -n connections with a channel and heartbeats of ten seconds,
//	                  held for -hold
//
// -conns connections share the messages of a mode, on one loop. Every mode checks
// that the broker counted what was sent, and that bodies that came are of their length
// and those of their messages (package bench/internal/body), small ones by a sample.
//
// Times are CPU time of this process. Where a mode has round trips (rpc, pingpong,
// publish-confirm with -window 1), p50_us and p99_us are theirs. writes_per_msg is
// of system calls, those that wake a thread among them; -1 where the system does
// not count. Those of idle, where a message is a connection, come with what each
// holds: resident_bytes, heap_bytes, stack_bytes and goroutines, and with
// cpu_percent, of a core for all of them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"time"

	"github.com/haypile/haypile/bench/internal/files"
)

func main() {
	log.SetFlags(0)
	j := parse(os.Args[1:])
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once
	ctx, cancel := context.WithTimeout(ctx, j.timeout)
	defer cancel()
	err := partly(ctx, j)
	if err == errWhole {
		var r *result
		if r, err = whole(ctx, j); err == nil {
			fmt.Println(r)
		}
	}
	if err != nil {
		log.Fatal(err)
	}
}

// parse reads the job, and ends the program if it cannot.
func parse(args []string) *job {
	j := &job{}
	flag := flag.NewFlagSet("load", flag.ExitOnError)
	flag.StringVar(&j.peer, "peer", "haypile", "haypile, amqp091 or floor")
	flag.StringVar(&j.adapter, "adapter", "stdnet", "haypile's loop: stdnet, ioloop, gnet or evio")
	flag.StringVar(&j.api, "api", "blocking", "blocking or callback")
	flag.StringVar(&j.url, "url", "", "the broker; default: a sink")
	flag.StringVar(&j.vhost, "vhost", "", "virtual host of the sink that is started: eager, hold1000; default: eager for round trips")
	flag.BoolVar(&j.tls, "tls", false, "talk TLS, as a URL of amqps does, with whatever certificate the broker has")
	flag.DurationVar(&j.budget, "budget", 0, "haypile's latency budget")
	flag.IntVar(&j.buffered, "buffered", 0, "haypile's MaxBuffered, bytes; default: its own, for callbacks 512 KiB")
	flag.StringVar(&j.mode, "mode", "publish", "what is measured")
	flag.StringVar(&j.queue, "queue", "haypile-bench", "a queue to use up, where the broker is no sink")
	flag.IntVar(&j.n, "n", 1_000_000, "messages, or connections of idle")
	flag.IntVar(&j.size, "size", 64, "bytes of a body")
	flag.IntVar(&j.window, "window", 1000, "unconfirmed publishes, and unacknowledged deliveries")
	flag.IntVar(&j.conns, "conns", 1, "connections")
	flag.IntVar(&j.channels, "channels", 1, "channels of publish")
	flag.IntVar(&j.publishers, "publishers", 8, "goroutines of publish-parallel")
	flag.IntVar(&j.consumers, "consumers", 1, "consumers of consume-auto and consume-props")
	flag.BoolVar(&j.read, "read", false, "decode properties in consume-props")
	flag.BoolVar(&j.reuse, "reuse", false, "have haypile's blocking client reuse the memory of bodies that come, and of properties in publish-props")
	flag.DurationVar(&j.heartbeat, "heartbeat", 0, "interval of heartbeats; default: the peer's own, for idle 10 s")
	flag.DurationVar(&j.hold, "hold", 22*time.Second, "how long connections are held by idle")
	flag.DurationVar(&j.timeout, "timeout", 5*time.Minute, "when to give up")
	flag.StringVar(&j.cpuProfile, "cpuprofile", "", "a file for the CPU profile")
	flag.StringVar(&j.memProfile, "memprofile", "", "a file for the profile of allocations, of all of them; this costs time")
	flag.Parse(args) // which ends the program on errors
	if flag.NArg() > 0 {
		log.Fatalf("what is %q?", flag.Arg(0))
	}
	if j.heartbeat == 0 && j.mode == modeIdle {
		j.heartbeat = 10 * time.Second
	}
	if j.vhost == "" && j.hasRoundTrips() {
		j.vhost = "eager"
	}
	return j
}

// whole makes the measurement.
func whole(ctx context.Context, j *job) (*result, error) {
	if err := j.check(); err != nil {
		return nil, err
	}
	files.Raise()
	if j.url == "" {
		url, stop, err := startSink(ctx, j)
		if err != nil {
			return nil, err
		}
		defer stop()
		j.url = url
	}
	if err := j.locate(); err != nil {
		return nil, err
	}
	if err := prepare(ctx, j); err != nil {
		return nil, err
	}
	r, err := measure(ctx, j)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s %s %s %s: %w", j.peer, j.adapter, j.api, j.mode, err), leave(context.WithoutCancel(ctx), j, "drop"))
	}
	return r, leave(ctx, j, "verify")
}
