package main

import (
	"time"

	"github.com/haypile/haypile/bench/internal/body"
)

func (a *amqp091Client) rpc(n int) error {
	for range n {
		began := time.Now()
		if _, err := a.declare(a.ch[0]); err != nil {
			return err
		}
		a.trips.add(began)
	}
	return nil
}

func (a *amqp091Client) pingpong(n int) error {
	if _, err := a.ask(); err != nil { // from here on, a sink keeps what is published
		return err
	}
	deliveries, err := a.ch[0].ConsumeWithContext(a.ctx, a.j.source(n), "", true, false, false, false, nil)
	if err != nil {
		return err
	}
	p := a.message()
	for i := range n {
		body.Number(p.Body, uint64(i+1))
		began := time.Now()
		if err := a.ch[0].PublishWithContext(a.ctx, "", a.j.target(), false, false, p); err != nil {
			return err
		}
		d, ok := <-deliveries
		if !ok {
			return errEnded
		}
		a.trips.add(began)
		if err := a.j.came(d.Body, i+1); err != nil {
			return err
		}
	}
	return nil
}
