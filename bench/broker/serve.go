package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net/http"
	_ "net/http/pprof"
	"os"
	"os/exec"
	"strings"

	"github.com/haypile/haypile/bench/internal/loops"
	"github.com/haypile/haypile/bench/internal/usage"
	"github.com/haypile/haypile/broker"
)

// serve is the broker's process: it prints its URL, and for each line of its standard
// input what it holds and has spent, until that ends. BENCH_PPROF is an address at
// which it shows its profiles.
func serve(j job) error {
	loop, err := loops.New(j.adapter)
	if err != nil {
		return err
	}
	b, err := broker.Start(broker.WithLoop(loop), broker.WithMemoryLimit(8<<30))
	if err != nil {
		return err
	}
	if address := os.Getenv("BENCH_PPROF"); address != "" {
		go func() { log.Print(http.ListenAndServe(address, nil)) }()
	}
	fmt.Println(b.URL())
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if lines.Text() == askCPU {
			fmt.Println(usage.Now().CPU().Microseconds())
			continue
		}
		u := usage.Settled()
		fmt.Println(u.Resident, u.Heap, u.Stack, u.Goroutines)
	}
	return nil
}

// process is a broker that serves in a process of its own.
type process struct {
	url     string
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

func startProcess(adapter string) (*process, error) {
	p := &process{command: exec.Command(os.Args[0], "-mode", "serve", "-adapter", adapter)}
	p.command.Stderr = os.Stderr
	in, err := p.command.StdinPipe() // whose end ends the process
	if err != nil {
		return nil, err
	}
	out, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	p.in, p.out = in, bufio.NewReader(out)
	if p.url, err = p.out.ReadString('\n'); err != nil {
		p.stop()
		return nil, err
	}
	p.url = strings.TrimSpace(p.url)
	return p, nil
}

func (p *process) stop() {
	p.in.Close()
	p.command.Wait()
}

// What a broker's process is asked, a line each. Looking at what it holds has it
// collect all garbage, which costs CPU time of its own.
const (
	askCPU  = "cpu"
	askHeld = "held"
)

// cpu is the CPU time that the process has spent, in microseconds.
func (p *process) cpu() (spent int, err error) {
	if _, err = fmt.Fprintln(p.in, askCPU); err == nil {
		_, err = fmt.Fscanln(p.out, &spent)
	}
	return spent, err
}

// held is what the process holds.
func (p *process) held() (u usage.Held, err error) {
	if _, err = fmt.Fprintln(p.in, askHeld); err == nil {
		_, err = fmt.Fscanln(p.out, &u.Resident, &u.Heap, &u.Stack, &u.Goroutines)
	}
	return u, err
}
