package main

import (
	"fmt"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// consume has a consumer for each channel.
func (k *callbackClient) consume(*core.Conn) error {
	for i, ch := range k.ch {
		req := &wire.BasicConsume{Queue: k.j.source(share(k.n, len(k.ch), i)), NoAck: !k.j.acks()}
		if err := ch.Consume(req, k.taker(), nil); err != nil {
			return err
		}
	}
	return nil
}

// taker is what each delivery goes to.
func (k *callbackClient) taker() func(*core.Delivery) {
	switch k.j.mode {
	case modeAck:
		return func(d *core.Delivery) {
			err := d.Channel.Ack(d.DeliveryTag, false)
			k.took(d, err)
		}
	case modeMulti:
		return func(d *core.Delivery) {
			var err error
			if d.DeliveryTag%multiple == 0 || k.left == 1 {
				err = d.Channel.Ack(d.DeliveryTag, true)
			}
			k.took(d, err)
		}
	}
	if k.j.read {
		var o order
		return func(d *core.Delivery) {
			headers, err := o.read(d.Properties)
			if err == nil && headers != 5 {
				err = fmt.Errorf("%d headers came", headers)
			}
			k.took(d, err)
		}
	}
	return func(d *core.Delivery) { k.took(d, nil) }
}

// took counts a delivery, and asks the broker after the last.
func (k *callbackClient) took(d *core.Delivery, err error) {
	if err == nil {
		err = k.j.came(d.Body, int(d.DeliveryTag)) // each channel has one consumer
	}
	k.left--
	if k.left == 0 && err == nil {
		err = k.ask()
	}
	if err != nil {
		k.finish(err)
	}
}
