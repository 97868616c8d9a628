package adaptertest_test

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haypile/haypile/adapters/adaptertest"
	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/core"
)

// A connection of the blocking client breaks while it waits. The server speaks
// AMQP in the same process; a test of yours puts the body into synctest.Test, as
// the next example does, and needs no real time then.
func ExampleSim() {
	sim := adaptertest.NewSim(adaptertest.SimConfig{Latency: time.Millisecond})
	listener, err := sim.Listen("rabbit:5672")
	if err != nil {
		fmt.Println(err)
		return
	}
	server := driver.Serve(sim, listener, driver.ServeOptions{
		NewHandler: func(*driver.Conn) core.ServerHandler { return &shop{} }, // a core.ServerHandler of yours
	})
	defer server.Abort()

	ctx := context.Background()
	conn, err := blocking.Dial(ctx, "amqp://rabbit", blocking.WithLoop(sim),
		blocking.WithParams(func(p *blocking.Params) { p.DialContext = sim.DialContext }))
	if err != nil {
		fmt.Println(err)
		return
	}
	ch, err := conn.Channel(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(ch.PublishConfirm(ctx, &blocking.Publishing{RoutingKey: "jobs"}))

	sim.Conns()[0].CutAfter(10)
	err = ch.PublishConfirm(ctx, &blocking.Publishing{RoutingKey: "jobs"})
	fmt.Println(errors.Is(err, blocking.ErrUnknownOutcome), errors.Is(err, syscall.ECONNRESET))
	// Output:
	// <nil>
	// true true
}

// Half a minute of silence ends a connection, in no time.
func ExampleNewSim() {
	TestSilentBroker := func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			sim := adaptertest.NewSim(adaptertest.SimConfig{
				Seed: 1, Latency: 20 * time.Millisecond, Jitter: 5 * time.Millisecond, MaxChunk: 100,
				Trace: func(e adaptertest.SimEvent) { t.Log(e) },
			})
			serveOn(t, sim, "rabbit:5672") // driver.Serve with a handler of yours
			params, err := driver.ParseURI("amqp://rabbit?heartbeat=30")
			if err != nil {
				t.Fatal(err)
			}
			params.DialContext = sim.DialContext
			conn, err := driver.Dial(t.Context(), sim, params, nil)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(24 * time.Hour) // heartbeats keep it alive
			sim.Conns()[0].Peer().Stall()
			<-conn.Done()
			if err := conn.Err(); !errors.Is(err, core.ErrHeartbeat) {
				t.Error(err)
			}
		})
	}
	_ = TestSilentBroker
}
