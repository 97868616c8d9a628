package main

import (
	"errors"
	"fmt"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
)

// consume has a consumer for each channel.
func (a *amqp091Client) consume(n int) error {
	errs := make([]error, len(a.ch))
	var wg sync.WaitGroup
	for i, ch := range a.ch {
		wg.Go(func() { errs[i] = a.consumeOn(ch, share(n, len(a.ch), i)) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (a *amqp091Client) consumeOn(ch *amqp.Channel, n int) error {
	deliveries, err := ch.ConsumeWithContext(a.ctx, a.j.source(n), "", !a.j.acks(), false, false, false, nil)
	if err != nil {
		return err
	}
	for got := 1; got <= n; got++ {
		d, ok := <-deliveries
		if !ok {
			return errEnded
		}
		if err := a.j.came(d.Body, got); err != nil {
			return err
		}
		if err := a.settle(&d, got == n); err != nil {
			return err
		}
		if a.j.read && len(d.Headers) != 5 { // they come decoded
			return fmt.Errorf("%d headers came", len(d.Headers))
		}
	}
	return nil
}

func (a *amqp091Client) settle(d *amqp.Delivery, last bool) error {
	switch {
	case a.j.mode == modeAck:
		return d.Ack(false)
	case a.j.mode == modeMulti && (d.DeliveryTag%multiple == 0 || last):
		return d.Ack(true)
	}
	return nil
}
