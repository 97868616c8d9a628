package main

import (
	"time"

	"github.com/haypile/haypile/bench/internal/body"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// rpc makes each request in the callback of the one before.
func (k *callbackClient) rpc(*core.Conn) error {
	req := &wire.QueueDeclare{Queue: k.j.target(), Passive: true}
	var began time.Time
	var answered func(*wire.QueueDeclareOk, error)
	request := func() error {
		began = time.Now()
		return k.ch[0].QueueDeclare(req, answered)
	}
	answered = func(_ *wire.QueueDeclareOk, err error) {
		if err == nil {
			k.trips.add(began)
			if k.left--; k.left > 0 {
				err = request()
			} else {
				err = k.ask()
			}
		}
		if err != nil {
			k.finish(err)
		}
	}
	return request()
}

// pingpong publishes the next message in the callback of the delivery before.
func (k *callbackClient) pingpong(*core.Conn) error {
	p, ch := k.message(), k.ch[0]
	var began time.Time
	publish := func(n int) error {
		body.Number(p.Body, uint64(n))
		began = time.Now()
		_, err := ch.Publish(p)
		return err
	}
	if err := ch.QueueDeclare(&wire.QueueDeclare{Queue: k.j.target(), Passive: true}, nil); err != nil {
		return err // from here on, a sink keeps what is published
	}
	err := ch.Consume(&wire.BasicConsume{Queue: k.j.source(k.n), NoAck: true}, func(d *core.Delivery) {
		k.trips.add(began)
		var err error
		if k.left > 1 {
			err = publish(k.n - k.left + 2)
		}
		k.took(d, err)
	}, nil)
	if err != nil {
		return err
	}
	return publish(1)
}
