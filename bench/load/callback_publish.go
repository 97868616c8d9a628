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
			if _, err := k.ch[next].Publish(p); err != nil {
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
			if _, err := k.ch[0].Publish(p); err != nil {
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
