package main

import (
	"errors"
	"sync"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/bench/internal/body"
)

func (b *blockingClient) message() *blocking.Publishing {
	return &blocking.Publishing{RoutingKey: b.j.target(), Body: body.New(b.j.size)}
}

func (b *blockingClient) publish(n int) error {
	p := b.message()
	props := b.j.properties()
	var m haypileReused
	for i, next := 0, 0; i < n; i++ {
		if props && b.j.reuse {
			var err error
			if p.Properties, err = m.properties(); err != nil {
				return err
			}
		} else if props {
			p.Properties = haypileProperties()
		}
		if err := b.ch[next].Publish(b.ctx, p); err != nil {
			return err
		}
		if next++; next == len(b.ch) {
			next = 0
		}
	}
	return nil
}

func (b *blockingClient) publishParallel(n int) error {
	errs := make([]error, len(b.ch))
	var wg sync.WaitGroup
	for i, ch := range b.ch {
		wg.Go(func() {
			p := b.message()
			for range share(n, len(b.ch), i) {
				if errs[i] = ch.Publish(b.ctx, p); errs[i] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// publishConfirm waits for the oldest when the window is full.
func (b *blockingClient) publishConfirm(n int) (err error) {
	p := b.message()
	window := make([]*blocking.Deferred, min(b.j.window, n))
	var began time.Time
	trips := b.j.hasRoundTrips()
	for i, slot := 0, 0; i < n; i++ {
		if d := window[slot]; d != nil {
			if err := d.Wait(b.ctx); err != nil {
				return err
			}
		}
		if trips {
			if i > 0 {
				b.trips.add(began)
			}
			began = time.Now()
		}
		if window[slot], err = b.ch[0].PublishDeferred(b.ctx, p); err != nil {
			return err
		}
		if slot++; slot == len(window) {
			slot = 0
		}
	}
	if _, err := b.ask(); err != nil { // for which a sink that holds confirms back lets them go
		return err
	}
	for _, d := range window {
		if err := d.Wait(b.ctx); err != nil {
			return err
		}
	}
	return nil
}
