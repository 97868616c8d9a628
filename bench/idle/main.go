// Idle measures what an open connection costs that does nothing: resident memory,
// heap and goroutines, with core, driver, adapter and a consumer on a channel,
// heartbeats of ten seconds on, some of which go by before it looks. The broker is
// a process of its own.
//
//	go run ./idle -n 10000 -adapter gnet
//
// It prints one line of key=value for each adapter: bytes and goroutines for each
// connection, and the CPU time of all heartbeats as a share of one core.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"time"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/bench/internal/cputime"
	"github.com/haypile/haypile/bench/internal/loops"
	"github.com/haypile/haypile/bench/internal/usage"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

func main() {
	log.SetFlags(0)
	n := flag.Int("n", 10_000, "how many connections")
	adapter := flag.String("adapter", strings.Join(loops.Names, ","), "which adapters, separated by commas")
	hold := flag.Duration("hold", 22*time.Second, "how long they are held open before they are measured")
	profile := flag.String("profile", "", "a file for the heap profile with all connections open")
	serve := flag.Bool("serve", false, "be the broker")
	one := flag.Bool("one", false, "measure in this process, one adapter")
	url := flag.String("url", "", "the broker, for -one")
	flag.Parse()
	var err error
	switch {
	case *serve:
		err = runBroker()
	case *one:
		err = measure(*adapter, *url, *n, *hold, *profile)
	default:
		for a := range strings.SplitSeq(*adapter, ",") {
			err = errors.Join(err, apart(a, *n, *hold, *profile))
		}
	}
	if err != nil {
		log.Fatal(err)
	}
}

// apart measures an adapter in a fresh process, against a fresh broker.
func apart(adapter string, n int, hold time.Duration, profile string) error {
	broker := exec.Command(os.Args[0], "-serve")
	broker.Stderr = os.Stderr
	stdin, err := broker.StdinPipe() // whose end ends the broker
	if err != nil {
		return err
	}
	defer broker.Wait()
	defer stdin.Close()
	out, err := broker.StdoutPipe()
	if err != nil {
		return err
	}
	if err := broker.Start(); err != nil {
		return err
	}
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return err
	}
	client := exec.Command(os.Args[0], "-one", "-adapter", adapter, "-n", fmt.Sprint(n), "-hold", hold.String(), "-url", strings.TrimSpace(url), "-profile", profile)
	client.Stdout, client.Stderr = os.Stdout, os.Stderr
	return client.Run()
}

func measure(adapter, url string, n int, hold time.Duration, profile string) error {
	if profile != "" {
		runtime.MemProfileRate = 1
	}
	params, err := driver.ParseURI(url)
	if err != nil {
		return err
	}
	loop, err := loops.New(adapter)
	if err != nil {
		return err
	}
	if err := open(loop, params, make([]*driver.Conn, 10)); err != nil { // what is there once
		return err
	}
	conns := make([]*driver.Conn, n)
	before := usage.Settled()
	if err := open(loop, params, conns); err != nil {
		return err
	}
	began := cputime.Spent()
	time.Sleep(hold)
	spent := cputime.Spent() - began
	after := usage.Settled()
	fmt.Printf("adapter=%s n=%d resident_bytes=%d heap_bytes=%d stack_bytes=%d goroutines=%.3f cpu_percent=%.2f\n", adapter, n,
		(after.Resident-before.Resident)/n, (after.Heap-before.Heap)/n, (after.Stack-before.Stack)/n,
		float64(after.Goroutines-before.Goroutines)/float64(n), 100*spent.Seconds()/hold.Seconds())
	if profile != "" {
		f, err := os.Create(profile)
		if err != nil {
			return err
		}
		if err := errors.Join(pprof.Lookup("heap").WriteTo(f, 0), f.Close()); err != nil {
			return err
		}
	}
	runtime.KeepAlive(conns)
	return nil
}

// open opens connections with a consumer each.
func open(loop adapters.Loop, params driver.Params, conns []*driver.Conn) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	errs := make(chan error, len(conns))
	slots := make(chan struct{}, 16) // as many dial at a time
	for i := range conns {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			ready := make(chan error, 1)
			var err error
			if conns[i], err = driver.Dial(ctx, loop, params, &consumer{ready: ready}); err == nil {
				err = <-ready
			}
			if err != nil {
				errs <- err
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}

// consumer holds nothing of its own once it runs.
type consumer struct {
	core.NopClient
	ready chan error
}

func (h *consumer) started(err error) {
	h.ready <- err
	h.ready = nil
}

func (h *consumer) OnOpen(c *core.Conn) {
	ch, err := c.OpenChannel(nil)
	if err == nil {
		err = ch.Consume(&wire.BasicConsume{Queue: "q"}, func(*core.Delivery) {}, func(_ *wire.BasicConsumeOk, err error) { h.started(err) })
	}
	if err != nil {
		h.started(err)
	}
}
