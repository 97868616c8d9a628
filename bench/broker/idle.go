package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/bench/internal/loops"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// idle measures what the broker holds for a connection with a channel and a
// consumer, and heartbeats of ten seconds, some of which go by before it looks.
func idle(j job) error {
	if j.n == 0 {
		j.n = 10_000
	}
	p, err := startProcess(j.adapter)
	if err != nil {
		return err
	}
	defer p.stop()
	params, err := driver.ParseURI(p.url + "?heartbeat=10")
	if err != nil {
		return err
	}
	loop, err := loops.New("gnet")
	if err != nil {
		return err
	}
	if err := open(loop, params, make([]*driver.Conn, 10)); err != nil { // what is there once
		return err
	}
	before, err := p.held()
	if err != nil {
		return err
	}
	if err := open(loop, params, make([]*driver.Conn, j.n)); err != nil {
		return err
	}
	time.Sleep(j.hold)
	after, err := p.held()
	if err != nil {
		return err
	}
	fmt.Printf("adapter=%s n=%d resident_bytes=%d heap_bytes=%d stack_bytes=%d goroutines=%.3f\n", j.adapter, j.n,
		(after.Resident-before.Resident)/j.n, (after.Heap-before.Heap)/j.n, (after.Stack-before.Stack)/j.n,
		float64(after.Goroutines-before.Goroutines)/float64(j.n))
	return nil
}

// open opens connections with a consumer each, sixteen at a time.
func open(loop adapters.Loop, params driver.Params, conns []*driver.Conn) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	errs := make(chan error, len(conns))
	slots := make(chan struct{}, 16)
	for i := range conns {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			ready := make(chan error, 1)
			var err error
			if conns[i], err = driver.Dial(ctx, loop, params, client{ready: ready}); err == nil {
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

type client struct {
	core.NopClient
	ready chan error
}

func (h client) OnOpen(c *core.Conn) {
	ch, err := c.OpenChannel(nil)
	if err == nil {
		err = ch.QueueDeclare(&wire.QueueDeclare{Queue: "idle", Durable: true}, nil)
	}
	if err == nil {
		err = ch.Consume(&wire.BasicConsume{Queue: "idle"}, func(*core.Delivery) {}, func(_ *wire.BasicConsumeOk, err error) { h.ready <- err })
	}
	if err != nil {
		h.ready <- err
	}
}
