// Package demo is what the examples have in common and do not teach: where their
// broker is, and how they end.
package demo

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"time"

	"github.com/haypile/haypile/broker"
)

// limit is for an example that never ends by itself, which is a bug.
const limit = 2 * time.Minute

var url = flag.String("url", "", "AMQP URI of a broker, such as amqp://guest:guest@localhost/; without it, one is embedded")

// Embedded tells whether the broker is a part of this program.
func Embedded() bool { return *url == "" }

// Main reads the flags and runs an example against the broker that -url names, or
// against one that is embedded in the program and stopped in the end. What run
// returns is the program's failure.
func Main(run func(ctx context.Context, url string) error) {
	log.SetFlags(0)
	flag.Parse()
	if flag.NArg() > 0 {
		log.Fatalf("%q is no flag; see -help", flag.Arg(0))
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := runOn(ctx, *url, run); err != nil {
		log.Fatal(err)
	}
}

func runOn(ctx context.Context, url string, run func(ctx context.Context, url string) error) error {
	if url != "" {
		return explain(run(ctx, url))
	}
	b, err := broker.Start()
	if err != nil {
		return err
	}
	fmt.Println("on a broker embedded in this program; name another one by -url")
	return errors.Join(run(ctx, b.URL()), b.Stop(ctx))
}

// explain adds what to do about a broker that cannot be reached.
func explain(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return fmt.Errorf("%w\nIs a broker running there? Without -url, this example brings its own", err)
	}
	return err
}
