package main

import (
	"errors"
	"sync"
	"time"

	"github.com/haypile/haypile/bench/internal/body"
	amqp "github.com/rabbitmq/amqp091-go"
)

func (a *amqp091Client) message() amqp.Publishing {
	return amqp.Publishing{Body: body.New(a.j.size)}
}

// withProperties are the same as haypileProperties.
func withProperties(content []byte) amqp.Publishing {
	return amqp.Publishing{
		ContentType: "application/json", DeliveryMode: amqp.Persistent, MessageId: "0123456789", CorrelationId: "abcdefgh",
		AppId: "bench", Type: "order.created", ReplyTo: "replies",
		Headers: amqp.Table{"a": int32(1), "b": "two", "c": true, "d": 4.5, "e": "five"}, Body: content,
	}
}

func (a *amqp091Client) publish(n int) error {
	p := a.message()
	props := a.j.properties()
	for i := range n {
		if props {
			p = withProperties(p.Body)
		}
		if err := a.ch[i%len(a.ch)].PublishWithContext(a.ctx, "", a.j.target(), false, false, p); err != nil {
			return err
		}
	}
	return nil
}

func (a *amqp091Client) publishParallel(n int) error {
	errs := make([]error, len(a.ch))
	var wg sync.WaitGroup
	for i, ch := range a.ch {
		wg.Go(func() {
			p := a.message()
			for range share(n, len(a.ch), i) {
				if errs[i] = ch.PublishWithContext(a.ctx, "", a.j.target(), false, false, p); errs[i] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

var errNacked = errors.New("the broker refused a message")

// publishConfirm waits for the oldest when the window is full.
func (a *amqp091Client) publishConfirm(n int) (err error) {
	p := a.message()
	window := make([]*amqp.DeferredConfirmation, min(a.j.window, n))
	trips := a.j.hasRoundTrips()
	var began time.Time
	for i := range n {
		slot := i % len(window)
		if d := window[slot]; d != nil {
			if ok, err := d.WaitContext(a.ctx); err != nil || !ok {
				return errors.Join(errNacked, err)
			}
		}
		if trips {
			if i > 0 {
				a.trips.add(began)
			}
			began = time.Now()
		}
		if window[slot], err = a.ch[0].PublishWithDeferredConfirmWithContext(a.ctx, "", a.j.target(), false, false, p); err != nil {
			return err
		}
	}
	if _, err := a.ask(); err != nil { // for which a sink that holds confirms back lets them go
		return err
	}
	for _, d := range window {
		if ok, err := d.WaitContext(a.ctx); err != nil || !ok {
			return errors.Join(errNacked, err)
		}
	}
	return nil
}
