package main

import (
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/bench/internal/body"
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
	got := 0
	body.Number(p.Body, 1)
	began := time.Now()
	if err := b.ch[0].Publish(b.ctx, p); err != nil {
		return err
	}
	for d, err := range b.ch[0].Consume(b.ctx, &blocking.Consume{Queue: b.j.source(n), NoAck: true}) {
		if err != nil {
			return err
		}
		b.trips.add(began)
		got++
		if err := b.j.came(d.Body, got); err != nil {
			return err
		}
		if got == n {
			break
		}
		body.Number(p.Body, uint64(got+1))
		began = time.Now()
		if err := b.ch[0].Publish(b.ctx, p); err != nil {
			return err
		}
	}
	return nil
}
