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
	c := &blocking.Consume{Queue: b.j.source(n), NoAck: !b.j.acks(), Prefetch: blocking.Unlimited, ReuseBodies: b.j.reuse}
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
	got := 0
	for d, err := range ch.Consume(b.ctx, b.subscription(n)) {
		if err != nil {
			return err
		}
		got++
		if err := b.j.came(d.Body, got); err != nil {
			return err
		}
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
		if got == n {
			break
		}
	}
	return nil
}

// consumeMulti takes whole batches, whose acks the channel merges. Where they do not
// add up to n, the last would wait for more, so messages are taken one by one.
func (b *blockingClient) consumeMulti(n int) error {
	if n%multiple > 0 {
		return b.consumeGathering(n)
	}
	got := 0
	for batch, err := range b.ch[0].ConsumeBatches(b.ctx, b.subscription(n), multiple, time.Second) {
		if err != nil {
			return err
		}
		if err := b.ackAll(batch, got); err != nil {
			return err
		}
		if got += len(batch); got == n {
			break
		}
	}
	return nil
}

// consumeGathering acks the rest as soon as all have come.
func (b *blockingClient) consumeGathering(n int) error {
	var batch []*blocking.Delivery
	got := 0
	for d, err := range b.ch[0].Consume(b.ctx, b.subscription(n)) {
		if err != nil {
			return err
		}
		batch = append(batch, d)
		if len(batch) < multiple && got+len(batch) < n {
			continue
		}
		if err := b.ackAll(batch, got); err != nil {
			return err
		}
		got += len(batch)
		batch = batch[:0]
		if got == n {
			break
		}
	}
	return nil
}

// ackAll takes a batch, before which so many messages came.
func (b *blockingClient) ackAll(batch []*blocking.Delivery, before int) error {
	for i, d := range batch {
		if err := b.j.came(d.Body, before+i+1); err != nil {
			return err
		}
		if err := d.Ack(); err != nil {
			return err
		}
	}
	return nil
}
