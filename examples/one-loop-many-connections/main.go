// One-loop-many-connections opens a thousand connections on one gnet loop, which
// is one thread, and has a message go round: each connection consumes a queue of
// its own and publishes what comes to the queue of the next.
//
//	go run ./examples/one-loop-many-connections -n 1000
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/adapters/gnet"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
	"github.com/haypile/haypile/examples/internal/demo"
)

var size = flag.Int("n", 1000, "how many connections")

func main() { demo.Main(run) }

func run(ctx context.Context, url string) error {
	if *size < 1 {
		return errors.New("-n must be at least 1")
	}
	params, err := driver.ParseURI(url)
	if err != nil {
		return err
	}
	loop, err := gnet.New()
	if err != nil {
		return err
	}
	defer func() {
		loop.Close()
		<-loop.Done()
	}()

	r := newRing(*size)
	before, begun := heap(), time.Now()
	if err := r.open(ctx, loop, params); errors.Is(err, syscall.EMFILE) {
		return fmt.Errorf("%w\nEach connection takes a descriptor, and another one if the broker is embedded: raise ulimit -n, or lower -n", err)
	} else if err != nil {
		return err
	}
	fmt.Printf("%d connections in %v: %d goroutines, %d bytes of heap for each\n",
		*size, time.Since(begun).Round(time.Millisecond), runtime.NumGoroutine(), (heap()-before)/uint64(*size))
	if demo.Embedded() {
		fmt.Println("(the broker's ends of them included, which are on package net)")
	}

	begun = time.Now()
	if err := r.send(); err != nil {
		return err
	}
	select {
	case <-r.round:
	case <-ctx.Done():
		return ctx.Err()
	}
	fmt.Printf("a message went round in %v\n", time.Since(begun).Round(time.Millisecond))
	for _, m := range r.members {
		m.conn.Close()
	}
	for _, m := range r.members {
		<-m.conn.Done()
		err = errors.Join(err, m.conn.Err())
	}
	return err
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// ring is the connections.
type ring struct {
	members []*member
	round   chan struct{} // gets the message when it has gone round
}

// member is one of them, and the handler of its connection. Its callbacks run on
// the loop.
type member struct {
	core.NopClient
	ring  *ring
	index int
	conn  *driver.Conn
	ch    *core.Channel
	ready chan error
}

func newRing(n int) *ring {
	r := &ring{round: make(chan struct{}, 1)}
	for i := range n {
		r.members = append(r.members, &member{ring: r, index: i, ready: make(chan error, 1)})
	}
	return r
}

// open opens all connections, some at a time: a broker's backlog is short. The
// first failure ends it.
func (r *ring) open(ctx context.Context, loop *gnet.Loop, params driver.Params) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	slots := make(chan struct{}, 50)
	var wg sync.WaitGroup
	for _, m := range r.members {
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-slots }()
			var err error
			if m.conn, err = driver.Dial(ctx, loop, params, m); err == nil {
				err = <-m.ready
			}
			if err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// queue is the name of a member's.
func (r *ring) queue(index int) string { return "ring-" + strconv.Itoa(index%len(r.members)) }

// OnOpen begins to consume.
func (m *member) OnOpen(c *core.Conn) {
	var err error
	if m.ch, err = c.OpenChannel(nil); err == nil {
		err = m.ch.QueueDeclare(&wire.QueueDeclare{Queue: m.ring.queue(m.index), Exclusive: true}, nil)
	}
	if err == nil {
		err = m.ch.Consume(&wire.BasicConsume{Queue: m.ring.queue(m.index), NoAck: true}, m.pass, func(_ *wire.BasicConsumeOk, err error) { m.ready <- err })
	}
	if err != nil {
		m.ready <- err
	}
}

// pass sends a message on, until it is back at the first.
func (m *member) pass(d *core.Delivery) {
	if m.index == 0 {
		m.ring.round <- struct{}{}
		return
	}
	m.publish(d.Body)
}

func (m *member) publish(body []byte) {
	if _, err := m.ch.Publish(&core.Publishing{RoutingKey: m.ring.queue(m.index + 1), Body: body}); err != nil {
		log.Print(err)
	}
}

// send has the first publish.
func (r *ring) send() error {
	first := r.members[0]
	return first.conn.AddCallbackThreadsafe(func(*core.Conn) { first.publish([]byte("round we go")) })
}
