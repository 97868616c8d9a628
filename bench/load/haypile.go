package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/bench/internal/loops"
)

const prefetch = 1000

// connect opens a connection and a channel on the job's adapter.
func connect(ctx context.Context, j job) (*blocking.Conn, *blocking.Channel, func(), error) {
	loop, err := loops.New(j.adapter)
	if err != nil {
		return nil, nil, nil, err
	}
	conn, err := blocking.Dial(ctx, j.url, blocking.WithLoop(loop))
	if err != nil {
		loop.Close()
		return nil, nil, nil, err
	}
	stop := func() {
		conn.Close(ctx)
		loop.Close()
		<-loop.Done()
	}
	ch, err := conn.Channel(ctx)
	if err != nil {
		stop()
		return nil, nil, nil, err
	}
	return conn, ch, stop, nil
}

func publish(ctx context.Context, j job, begin func()) error {
	_, ch, stop, err := connect(ctx, j)
	if err != nil {
		return err
	}
	defer stop()
	begin()
	var wg sync.WaitGroup
	errs := make(chan error, j.publishers)
	for i := range j.publishers {
		wg.Go(func() { errs <- publishSome(ctx, ch, share(j.n, j.publishers, i), j.size) })
	}
	wg.Wait()
	for range j.publishers {
		if err := <-errs; err != nil {
			return err
		}
	}
	reply, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "counter", Passive: true})
	if err != nil {
		return err
	}
	if int(reply.MessageCount) != j.n {
		return fmt.Errorf("the broker counted %d of %d messages", reply.MessageCount, j.n)
	}
	return nil
}

// share is what the i-th of k has of n.
func share(n, k, i int) int { return n*(i+1)/k - n*i/k }

func publishSome(ctx context.Context, ch *blocking.Channel, n, size int) error {
	p := &blocking.Publishing{RoutingKey: "counter", Body: make([]byte, size)}
	for range n {
		if err := ch.Publish(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

func consumeAck(ctx context.Context, j job, begin func()) error {
	_, ch, stop, err := connect(ctx, j)
	if err != nil {
		return err
	}
	defer stop()
	begin()
	got, bytes := 0, 0
	for d, err := range ch.Consume(ctx, &blocking.Consume{Queue: fmt.Sprintf("%dx%d", j.n, j.size), Prefetch: prefetch}) {
		if err != nil {
			return err
		}
		bytes += len(d.Body)
		if err := d.Ack(); err != nil {
			return err
		}
		if got++; got == j.n {
			break
		}
	}
	if bytes != j.n*j.size {
		return fmt.Errorf("%d bytes came, not %d times %d", bytes, j.n, j.size)
	}
	return nil
}
