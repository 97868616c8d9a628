package main

import (
	"cmp"
	"context"
	"errors"

	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// callbackBuffer is how much a callback publishes before it lets the connection
// write: what fits a cache, and more than one write takes.
const callbackBuffer = 512 << 10

// callbackClient is package core on a loop. Its fields belong to the loop once it
// runs.
type callbackClient struct {
	core.NopClient
	ctx   context.Context
	j     *job
	conn  *driver.Conn
	ch    []*core.Channel
	trips *latencies
	work  func(c *core.Conn) error
	done  chan error // gets the outcome, once
	ended bool

	n, left int
	more    func() error // goes on publishing, nil when that is done
	outcome func()       // finishes when the last confirm has come, too
}

func openCallback(ctx context.Context, j *job, trips *latencies) (client, error) {
	params, err := haypileParams(j)
	if err != nil {
		return nil, err
	}
	params.Client.MaxBuffered = cmp.Or(j.buffered, callbackBuffer)
	k := &callbackClient{ctx: ctx, j: j, trips: trips, done: make(chan error, 1)}
	channels := 1
	switch j.mode {
	case modePublish, modeProps:
		channels, k.work = j.channels, k.publish
	case modeConfirm:
		k.work = k.publishConfirm
	case modeAuto, modeRead:
		channels, k.work = j.consumers, k.consume
	case modeAck, modeMulti:
		k.work = k.consume
	case modeRPC:
		k.work = k.rpc
	case modePingpong:
		k.work = k.pingpong
	case modeIdle:
		return openResting(ctx, j, params)
	default:
		return nil, errMode
	}
	if k.conn, err = driver.Dial(ctx, j.loop, params, k); err != nil {
		return nil, err
	}
	err = k.await(func(c *core.Conn) error { return k.openChannels(c, channels) })
	if err != nil {
		k.close()
		return nil, err
	}
	return k, nil
}

// openChannels returns to who waits when the broker has the last of them.
func (k *callbackClient) openChannels(c *core.Conn, channels int) error {
	for range channels {
		ch, err := c.OpenChannel((*callbackChannel)(k))
		if err != nil {
			return err
		}
		k.ch = append(k.ch, ch)
	}
	ready := func(_ wire.Method, err error) { k.finish(err) }
	if k.j.mode == modeConfirm {
		return k.ch[0].ConfirmSelect(&wire.ConfirmSelect{}, func(ok *wire.ConfirmSelectOk, err error) { ready(ok, err) })
	}
	return k.ch[channels-1].Qos(&wire.BasicQos{PrefetchCount: uint16(min(k.j.window, 65535))}, func(ok *wire.BasicQosOk, err error) { ready(ok, err) })
}

// await runs fn on the loop and waits until what it began is finished.
func (k *callbackClient) await(fn func(c *core.Conn) error) error {
	err := k.conn.AddCallbackThreadsafe(func(c *core.Conn) {
		k.ended = false
		if err := fn(c); err != nil {
			k.finish(err)
		}
	})
	if err != nil {
		return err
	}
	select {
	case err := <-k.done:
		return err
	case <-k.conn.Done():
		return errors.Join(errEnded, k.conn.Err())
	case <-k.ctx.Done():
		k.conn.Abort()
		return k.ctx.Err()
	}
}

// finish ends what await waits for.
func (k *callbackClient) finish(err error) {
	if !k.ended {
		k.ended = true
		k.done <- err
	}
}

func (k *callbackClient) run(n int) error {
	k.n, k.left = n, n
	return k.await(k.work)
}

// ask ends a mode: all that was sent before has been taken when the last answer
// comes.
func (k *callbackClient) ask() error {
	ask := k.ch[k.j.asking(len(k.ch)):]
	for i, ch := range ask {
		var done func(*wire.QueueDeclareOk, error)
		if i == len(ask)-1 {
			done = k.answered
		}
		if err := ch.QueueDeclare(&wire.QueueDeclare{Queue: k.j.target(), Passive: true}, done); err != nil {
			return err
		}
	}
	return nil
}

func (k *callbackClient) answered(reply *wire.QueueDeclareOk, err error) {
	if err == nil {
		err = k.j.counted(k.n, int(reply.MessageCount), int(reply.ConsumerCount))
	}
	k.outcome = func() { k.finish(err) }
	k.conclude()
}

// conclude finishes a mode once the broker has answered, and confirmed all.
func (k *callbackClient) conclude() {
	if k.outcome != nil && k.ch[0].Unconfirmed() == 0 {
		k.outcome()
	}
}

func (k *callbackClient) close() {
	k.conn.Close()
	<-k.conn.Done()
}

func (k *callbackClient) OnWritable(*core.Conn) { k.proceed() }

// proceed goes on publishing where that was interrupted.
func (k *callbackClient) proceed() {
	if k.more == nil {
		return
	}
	if err := k.more(); err != nil && !errors.Is(err, core.ErrBackpressure) {
		k.finish(err)
	}
}

// callbackChannel is the client as its channels see it.
type callbackChannel callbackClient

func (h *callbackChannel) OnConfirm(_ *core.Channel, c core.Confirm) {
	(*callbackClient)(h).confirmed(c)
}

func (h *callbackChannel) OnReturn(*core.Channel, *core.Return) {}

func (h *callbackChannel) OnCancel(*core.Channel, string) {
	(*callbackClient)(h).finish(errors.New("the broker canceled the consumer"))
}

func (h *callbackChannel) OnFlow(*core.Channel, bool) {}

func (h *callbackChannel) OnClose(_ *core.Channel, err error) {
	if err != nil {
		(*callbackClient)(h).finish(err)
	}
}
