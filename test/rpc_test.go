package test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
)

// serveDoubling answers requests with their bodies, twice, until the test ends.
func serveDoubling(t *testing.T, conn *blocking.Conn, q string) {
	t.Helper()
	ctx, cancel := context.WithCancel(testContext(t))
	ch := channel(t, conn)
	ended := make(chan error, 1)
	go func() {
		ended <- ch.Serve(ctx, &blocking.Handle{Consume: blocking.Consume{Queue: q}, Workers: 4}, func(_ context.Context, d *blocking.Delivery) (*blocking.Publishing, error) {
			return &blocking.Publishing{Body: append(d.Body, d.Body...)}, nil
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Serve returned %v", err)
		}
	})
}

func TestCallsAreAnsweredByDirectReplyTo(t *testing.T) {
	conn := dial(t, "")
	ctx := testContext(t)
	q := queue(t, channel(t, conn))
	serveDoubling(t, conn, q)
	caller, err := conn.Caller(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for who := range 32 {
		wg.Go(func() {
			for i := range 20 {
				body := fmt.Sprint(who, "-", i)
				d, err := caller.Call(ctx, &blocking.Publishing{RoutingKey: q, Body: []byte(body)})
				if err != nil {
					t.Error(err)
				} else if string(d.Body) != body+body {
					t.Errorf("reply %q to %q", d.Body, body)
				}
			}
		})
	}
	wg.Wait()
	if _, err := caller.Call(ctx, &blocking.Publishing{RoutingKey: "no such queue"}); !errors.Is(err, blocking.ErrUnroutable) || !errors.Is(err, blocking.NoRoute) {
		t.Errorf("a call that nobody serves: %v", err)
	}
	if err := caller.Close(ctx); err != nil {
		t.Error(err)
	}
}

func callsAfterKill(t *testing.T, n node) {
	ctx := testContext(t)
	opts := []blocking.Option{
		blocking.WithRecovery(&blocking.Recovery{}),
		blocking.WithParams(func(p *blocking.Params) { p.RetryDelay, p.MaxRetryDelay = 200*time.Millisecond, time.Second }),
	}
	conn, server := dialURL(t, nodeURL(n), opts...), dialURL(t, nodeURL(n), opts...)
	for _, q := range []string{"served", "silent"} {
		if _, err := channel(t, server).QueueDeclare(ctx, &blocking.QueueDeclare{Queue: q, Durable: true}); err != nil {
			t.Fatal(err)
		}
	}
	serveDoubling(t, server, "served")
	caller, err := conn.Caller(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := caller.Call(ctx, &blocking.Publishing{RoutingKey: "served"}); err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() {
		_, err := caller.Call(ctx, &blocking.Publishing{RoutingKey: "silent"})
		result <- err
	}()
	other := channel(t, conn)
	eventually(t, "the silent queue has the request", func() bool {
		d, err := other.Get(ctx, &blocking.Get{Queue: "silent"})
		if err != nil {
			t.Fatal(err)
		}
		return d != nil
	})
	n.flush(t) // or a queue that was declared just now is not there afterwards
	n.restart(t)
	if err := <-result; !errors.Is(err, blocking.ErrUnknownOutcome) {
		t.Errorf("the call under way: %v", err)
	}
	d, err := caller.Call(ctx, &blocking.Publishing{RoutingKey: "served", Body: []byte("ab")})
	if err != nil || string(d.Body) != "abab" {
		t.Errorf("the next one: %v, %v", d, err)
	}
}
