// Load makes one measurement of a client against a broker, and prints one line of
// key=value.
//
//	go run ./load -adapter gnet -mode publish -publishers 8 -n 1000000
//
// Without -url it measures against a sink of its own, in a process of its own.
// Modes:
//
//	publish      messages without properties or confirms, by -publishers
//	             goroutines on one channel; ends when the broker answers a passive
//	             declare that was sent after them
//	consume-ack  deliveries with a prefetch of 1000, an ack for each; only
//	             against the sink
//	callback     round trips of AddCallbackThreadsafe on an idle connection, one
//	             at a time
//
// Peers beside haypile: "writes" is what a message costs without a library, in a
// program that makes a write of each publish, or ack, on the same kind of socket;
// "channels" is a callback's round trip by two Go channels.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"runtime/pprof"
	"time"

	"github.com/haypile/haypile/bench/internal/cputime"
)

// job is what is to be measured.
type job struct {
	url        string
	adapter    string
	publishers int
	n, size    int
}

// mode runs a job: it makes a connection, calls begin when that is ready, and
// returns when the broker has all, or the client.
type mode func(ctx context.Context, j job, begin func()) error

var modes = map[string]mode{
	"haypile publish":     publish,
	"haypile consume-ack": consumeAck,
	"haypile callback":    callbacks,
	"writes publish":      writePublishes,
	"writes consume-ack":  writeAcks,
	"channels callback":   channels,
}

func main() {
	log.SetFlags(0)
	var j job
	peer := flag.String("peer", "haypile", "haypile, writes or channels")
	name := flag.String("mode", "publish", "publish, consume-ack or callback")
	timeout := flag.Duration("timeout", 5*time.Minute, "when to give up")
	flag.StringVar(&j.url, "url", "", "the broker; default: a sink")
	flag.StringVar(&j.adapter, "adapter", "stdnet", "the loop")
	flag.IntVar(&j.publishers, "publishers", 1, "goroutines that publish")
	flag.IntVar(&j.n, "n", 1_000_000, "messages")
	flag.IntVar(&j.size, "size", 64, "bytes of a body")
	profile := flag.String("profile", "", "a file for the CPU profile")
	flag.Parse()
	run := modes[*peer+" "+*name]
	if run == nil {
		log.Fatalf("no peer %q with mode %q", *peer, *name)
	}
	ctx, cancel := context.WithTimeout(context.Background(), *timeout)
	defer cancel()
	if j.url == "" {
		url, stop, err := startSink()
		if err != nil {
			log.Fatal(err)
		}
		defer stop()
		j.url = url
	}
	var start time.Time
	var cpu time.Duration
	stop, err := startProfile(*profile)
	if err != nil {
		log.Fatal(err)
	}
	err = run(ctx, j, func() { start, cpu = time.Now(), cputime.Spent() })
	wall, cpu := time.Since(start), cputime.Spent()-cpu
	stop()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("peer=%s adapter=%s mode=%s publishers=%d size=%d n=%d wall_s=%.3f msgs_s=%.0f cpu_us_per_msg=%.3f\n",
		*peer, j.adapter, *name, j.publishers, j.size, j.n, wall.Seconds(), float64(j.n)/wall.Seconds(), float64(cpu.Microseconds())/float64(j.n))
}

// startProfile begins a CPU profile, if a file is named.
func startProfile(file string) (stop func(), err error) {
	if file == "" {
		return func() {}, nil
	}
	f, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() {
		pprof.StopCPUProfile()
		if err := f.Close(); err != nil {
			log.Print(err)
		}
	}, nil
}
