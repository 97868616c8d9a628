// Adapters compares the loops with one another, and with a write for each message:
// publishing by 1, 8 and 64 goroutines, consuming with acks, and a callback's
// round trip beside that of a Go channel. The measurements of a round are made in
// turns, each in a process of its own by the program load, against a sink.
//
//	cd bench && go run ./adapters [-n messages] [-rounds n]
//
// It prints medians as Markdown: messages, or round trips, per second, and how
// many times the first column that is.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"

	"github.com/haypile/haypile/bench/internal/loops"
)

// row is a line of the table.
type row struct {
	name  string
	first []string // arguments of load for the first column
	args  []string // for all columns
	part  int      // of -n that is measured: 1/part
}

var rows = []row{
	{"publish, 1 goroutine", []string{"-peer", "writes"}, []string{"-mode", "publish", "-publishers", "1"}, 1},
	{"publish, 8 goroutines", []string{"-peer", "writes"}, []string{"-mode", "publish", "-publishers", "8"}, 1},
	{"publish, 64 goroutines", []string{"-peer", "writes"}, []string{"-mode", "publish", "-publishers", "64"}, 1},
	{"consume with acks", []string{"-peer", "writes"}, []string{"-mode", "consume-ack"}, 1},
	{"callback round trip", []string{"-peer", "channels"}, []string{"-mode", "callback"}, 4},
}

func main() {
	log.SetFlags(0)
	n := flag.Int("n", 1_000_000, "messages of a measurement")
	rounds := flag.Int("rounds", 7, "rounds, of which the median counts")
	flag.Parse()
	if err := compare(*n, *rounds); err != nil {
		log.Fatal(err)
	}
}

func compare(n, rounds int) error {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	load := filepath.Join(dir, "load")
	build := exec.Command("go", "build", "-o", load, "./load")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("building load, which is in the folder bench: %w", err)
	}
	columns := append([]string{""}, loops.Names...)
	results := make([][][]float64, len(rows)) // by row and column
	for range rounds {
		for i, r := range rows {
			if results[i] == nil {
				results[i] = make([][]float64, len(columns))
			}
			for j, adapter := range columns {
				rate, err := measure(load, r, adapter, n/r.part)
				if err != nil {
					return err
				}
				results[i][j] = append(results[i][j], rate)
			}
		}
	}
	fmt.Printf("%s, %d CPUs, %s/%s; per second, median of %d rounds of %d messages of 64 bytes\n\n", runtime.Version(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, rounds, n)
	print(columns, results)
	return nil
}

var perSecond = regexp.MustCompile(`msgs_s=(\d+)`)

// measure runs load once.
func measure(load string, r row, adapter string, n int) (float64, error) {
	args := append(slices.Clone(r.args), "-n", strconv.Itoa(n))
	if adapter == "" {
		args = append(args, r.first...)
	} else {
		args = append(args, "-adapter", adapter)
	}
	cmd := exec.Command(load, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("load %q: %w", args, err)
	}
	m := perSecond.FindSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("load %q printed %q", args, out)
	}
	return strconv.ParseFloat(string(m[1]), 64)
}

func print(columns []string, results [][][]float64) {
	fmt.Print("| | a write each, or channels |")
	for _, c := range columns[1:] {
		fmt.Printf(" %s |", c)
	}
	fmt.Println("\n|---|" + string(slices.Repeat([]byte("---:|"), len(columns))))
	for i, r := range rows {
		first := median(results[i][0])
		fmt.Printf("| %s | %.0f |", r.name, first)
		for _, rates := range results[i][1:] {
			fmt.Printf(" %.0f (%.2f) |", median(rates), median(rates)/first)
		}
		fmt.Println()
	}
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}
