// Command memory measures what a message costs a client in CPU time when there
// is no network and no broker: publishes go to a writer that drops them, and
// deliveries come from memory. It compares package core with amqp091-go, in turns
// within one run, and prints medians.
//
//	cd bench && go run ./memory [-n messages] [-rounds n]
//
// amqp091-go is a client with goroutines, locks and channels of its own, and core
// a machine for a loop: what is compared is what a message costs up to the user's
// hands and back.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"

	"github.com/haypile/haypile/bench/internal/usage"
)

// subject is what is measured: it moves n messages of a size.
type subject struct {
	name string
	run  func(size, n int) error
}

// mode is a row of the table.
type mode struct {
	name     string
	subjects []subject // haypile first
}

var modes = []mode{
	{"publish", []subject{{"haypile", publishHaypile}, {"amqp091", publishAMQP091}}},
	{"publish with properties", []subject{{"haypile", publishPropertiesHaypile}, {"amqp091", publishPropertiesAMQP091}}},
	{"deliver and ack", []subject{{"haypile", deliverHaypile}, {"amqp091", deliverAMQP091}}},
}

func main() {
	n := flag.Int("n", 100_000, "messages per measurement")
	rounds := flag.Int("rounds", 15, "measurements of each, in turns")
	flag.Parse()
	fmt.Printf("%s, %d CPUs, %s/%s; CPU time per message, median of %d rounds of %d messages\n\n",
		runtime.Version(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, *rounds, *n)
	fmt.Printf("%-24s %6s  %12s %12s  %s\n", "", "body", "haypile", "amqp091-go", "ratio")
	for _, m := range modes {
		for _, size := range []int{64, 256, 1024} {
			ns, err := m.measure(size, *n, *rounds)
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			fmt.Printf("%-24s %4d B  %9.0f ns %9.0f ns  %.1f\n", m.name, size, ns[0], ns[1], ns[1]/ns[0])
		}
	}
}

// measure is the median cost of a message for each subject.
func (m mode) measure(size, n, rounds int) ([]float64, error) {
	costs := make([][]float64, len(m.subjects))
	for range rounds {
		for i, s := range m.subjects {
			runtime.GC()
			before := usage.Now()
			if err := s.run(size, n); err != nil {
				return nil, fmt.Errorf("%s by %s: %w", m.name, s.name, err)
			}
			costs[i] = append(costs[i], float64(usage.Now().Since(before).CPU())/float64(n))
		}
	}
	medians := make([]float64, len(costs))
	for i, c := range costs {
		slices.Sort(c)
		medians[i] = c[len(c)/2]
	}
	return medians, nil
}
