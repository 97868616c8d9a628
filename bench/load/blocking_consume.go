package main

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
)

// subscription is how n messages are consumed.
func (b *blockingClient) subscription(n int) *blocking.Consume {
	c := &blocking.Consume{Queue: b.j.source(n), NoAck: !b.j.acks(), Prefetch: blocking.Unlimited}
	if b.j.acks() {
		c.Prefetch = b.j.window
	}
	return c
}

// consume has a consumer for each channel.
func (b *blockingClient) consume(n int) error {
	errs := make([]error, len(b.ch))
	var wg sync.WaitGroup
	for i, ch := range b.ch[1:] {
		wg.Go(func() { errs[i+1] = b.consumeOn(ch, share(n, len(b.ch), i+1)) })
	}
	errs[0] = b.consumeOn(b.ch[0], share(n, len(b.ch), 0))
	wg.Wait()
	return errors.Join(errs...)
}

func (b *blockingClient) consumeOn(ch *blocking.Channel, n int) error {
	got, bytes := 0, 0
	for d, err := range ch.Consume(b.ctx, b.subscription(n)) {
		if err != nil {
			return err
		}
		bytes += len(d.Body)
		if b.j.acks() {
			if err := d.Ack(); err != nil {
				return err
			}
		}
		if b.j.read {
			if headers, err := readProperties(d.Properties); err != nil || headers != 5 {
				return fmt.Errorf("%d headers came, %v", headers, err)
			}
		}
		if got++; got == n {
			break
		}
	}
	return b.j.came(n, bytes)
}

func (b *blockingClient) consumeMulti(n int) error {
	got, bytes := 0, 0
	for batch, err := range b.ch[0].ConsumeBatches(b.ctx, b.subscription(n), multiple, time.Second) {
		if err != nil {
			return err
		}
		for _, d := range batch {
			bytes += len(d.Body)
			if err := d.Ack(); err != nil {
				return err
			}
		}
		if got += len(batch); got == n {
			break
		}
	}
	return b.j.came(n, bytes)
}
