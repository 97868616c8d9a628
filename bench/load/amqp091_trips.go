package main

import "time"

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
	p, bytes := a.message(), 0
	for range n {
		began := time.Now()
		if err := a.ch[0].PublishWithContext(a.ctx, "", a.j.target(), false, false, p); err != nil {
			return err
		}
		d, ok := <-deliveries
		if !ok {
			return errEnded
		}
		a.trips.add(began)
		bytes += len(d.Body)
	}
	return a.j.came(n, bytes)
}
