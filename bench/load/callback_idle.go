package main

import (
	"context"
	"errors"

	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// resting is a connection of callbacks with a channel, and nothing of ours about it
// that would count as its memory.
type resting struct{ conn *driver.Conn }

func openResting(ctx context.Context, j *job, params driver.Params) (client, error) {
	conn, err := driver.Dial(ctx, j.loop, params, nil)
	if err != nil {
		return nil, err
	}
	ready := make(chan error, 1)
	err = conn.AddCallbackThreadsafe(func(c *core.Conn) {
		ch, err := c.OpenChannel(nil)
		if err == nil {
			err = ch.Qos(&wire.BasicQos{}, func(_ *wire.BasicQosOk, err error) { ready <- err })
		}
		if err != nil {
			ready <- err
		}
	})
	if err == nil {
		select {
		case err = <-ready:
		case <-conn.Done():
			err = errors.Join(errEnded, conn.Err())
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	if err != nil {
		conn.Abort()
		return nil, err
	}
	return resting{conn}, nil
}

func (resting) run(int) error { return errMode }

func (r resting) close() {
	r.conn.Close()
	<-r.conn.Done()
}
