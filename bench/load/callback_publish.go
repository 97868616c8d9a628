package main

import (
	"fmt"
	"time"

	"github.com/haypile/haypile/bench/internal/body"
	"github.com/haypile/haypile/core"
)

func (k *callbackClient) message() *core.Publishing {
	return &core.Publishing{RoutingKey: k.j.target(), Body: body.New(k.j.size)}
}

// lendSize is from what size on bodies are lent, which core advises.
const lendSize = 16 << 10

// send publishes p, whose body does not change.
func (k *callbackClient) send(ch *core.Channel, p *core.Publishing) (seq uint64, err error) {
	if len(p.Body) < lendSize {
		return ch.Publish(p)
	}
	return ch.PublishLoan(p, func(error) {})
}

// publish goes on, whenever there is room, until all is published.
func (k *callbackClient) publish(*core.Conn) error {
	p := k.message()
	var m haypileReused
	props := k.j.properties()
	next := 0
	k.more = func() error {
		for k.left > 0 {
			if props {
				var err error
				if p.Properties, err = m.properties(); err != nil {
					return err
				}
			}
			if _, err := k.send(k.ch[next], p); err != nil {
				return err
			}
			k.left--
			if next++; next == len(k.ch) {
				next = 0
			}
		}
		k.more = nil
		return k.ask()
	}
	k.proceed()
	return nil
}

// publishConfirm goes on, whenever there is room or a confirm has come, until all
// is confirmed.
func (k *callbackClient) publishConfirm(*core.Conn) error {
	p := k.message()
	k.more = func() error {
		for k.left > 0 && k.ch[0].Unconfirmed() < k.j.window {
			if _, err := k.send(k.ch[0], p); err != nil {
				return err
			}
			if k.left--; k.left == 0 { // what a sink still holds back, it confirms now
				return k.ask()
			}
		}
		return nil
	}
	if k.j.hasRoundTrips() {
		k.more = timed(k.trips, k.more)
	}
	k.proceed()
	return nil
}

// timed has each publish but the first end the round trip of the one before.
func timed(trips *latencies, publish func() error) func() error {
	var began time.Time
	return func() error {
		if !began.IsZero() {
			trips.add(began)
		}
		began = time.Now()
		return publish()
	}
}

func (k *callbackClient) confirmed(c core.Confirm) {
	if !c.Ack {
		k.finish(fmt.Errorf("the broker refused messages %d to %d", c.First, c.Last))
		return
	}
	k.proceed()
	k.conclude()
}
