package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
)

// pair is a publisher and a consumer of one queue, on connections of their own.
type pair struct {
	publisher, consumer *blocking.Channel
	exchange, key       string
	queue               string
}

// newPair makes a pair with a fresh queue, which is reached by its name.
func newPair(ctx context.Context, url, queue string, window int) (*pair, error) {
	p := &pair{queue: queue, key: queue}
	for _, ch := range []**blocking.Channel{&p.publisher, &p.consumer} {
		conn, err := blocking.Dial(ctx, url)
		if err != nil {
			return nil, errors.Join(err, p.close(ctx))
		}
		if *ch, err = conn.Channel(ctx, blocking.WithConfirmWindow(window)); err != nil {
			return nil, errors.Join(err, conn.Close(ctx), p.close(ctx))
		}
	}
	_, err := p.publisher.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: queue, Durable: true})
	return p, err
}

// close deletes the queue and closes both connections.
func (p *pair) close(ctx context.Context) error {
	var errs []error
	if p.publisher != nil {
		_, err := p.publisher.QueueDelete(ctx, &blocking.QueueDelete{Queue: p.queue})
		errs = append(errs, err, p.publisher.Conn().Close(ctx))
	}
	if p.consumer != nil {
		errs = append(errs, p.consumer.Conn().Close(ctx))
	}
	return errors.Join(errs...)
}

// cycle has n messages published, confirmed, consumed and acknowledged by each pair,
// all at the same time.
func cycle(ctx context.Context, pairs []*pair, j job, consumers int) (time.Duration, error) {
	began := time.Now()
	errs := make(chan error, 2*len(pairs))
	for _, p := range pairs {
		go func() { errs <- p.publish(ctx, j.n/len(pairs), j.size) }()
		go func() { errs <- p.consume(ctx, j.n/len(pairs), consumers, j.window) }()
	}
	for range 2 * len(pairs) {
		if err := <-errs; err != nil {
			return 0, err
		}
	}
	return time.Since(began), nil
}

// publish publishes n messages and waits for all confirms.
func (p *pair) publish(ctx context.Context, n, size int) error {
	m := &blocking.Publishing{Exchange: p.exchange, RoutingKey: p.key, Body: make([]byte, size)}
	waiting := make([]*blocking.Deferred, 0, n)
	for range n {
		d, err := p.publisher.PublishDeferred(ctx, m)
		if err != nil {
			return err
		}
		waiting = append(waiting, d)
	}
	for _, d := range waiting {
		if err := d.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// consume acknowledges n messages, which some consumers share.
func (p *pair) consume(ctx context.Context, n, consumers, prefetch int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var left atomic.Int64
	left.Store(int64(n))
	errs := make(chan error, consumers)
	var all sync.WaitGroup
	for range consumers {
		all.Go(func() {
			for d, err := range p.consumer.Consume(ctx, &blocking.Consume{Queue: p.queue, Prefetch: prefetch}) {
				if err == nil {
					err = d.Ack()
				}
				if err != nil {
					if ctx.Err() == nil {
						errs <- fmt.Errorf("consume: %w", err)
						cancel()
					}
					return
				}
				if left.Add(-1) == 0 {
					cancel()
					return
				}
			}
		})
	}
	all.Wait()
	close(errs)
	return <-errs
}
