package main

import (
	"time"

	"github.com/haypile/haypile/adapters/blocking"
)

func (b *blockingClient) rpc(n int) error {
	ch, req := b.ch[0], &blocking.QueueDeclare{Queue: b.j.target(), Passive: true}
	for range n {
		began := time.Now()
		if _, err := ch.QueueDeclare(b.ctx, req); err != nil {
			return err
		}
		b.trips.add(began)
	}
	return nil
}

func (b *blockingClient) pingpong(n int) error {
	if _, err := b.ask(); err != nil { // from here on, a sink keeps what is published
		return err
	}
	p := b.message()
	got, bytes := 0, 0
	began := time.Now()
	if err := b.ch[0].Publish(b.ctx, p); err != nil {
		return err
	}
	for d, err := range b.ch[0].Consume(b.ctx, &blocking.Consume{Queue: b.j.source(n), NoAck: true}) {
		if err != nil {
			return err
		}
		b.trips.add(began)
		bytes += len(d.Body)
		if got++; got == n {
			break
		}
		began = time.Now()
		if err := b.ch[0].Publish(b.ctx, p); err != nil {
			return err
		}
	}
	return b.j.came(n, bytes)
}
