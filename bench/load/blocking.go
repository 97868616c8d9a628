package main

import (
	"context"

	"github.com/haypile/haypile/adapters/blocking"
)

// blockingClient is haypile's client for goroutines.
type blockingClient struct {
	ctx   context.Context
	j     *job
	conn  *blocking.Conn
	ch    []*blocking.Channel
	trips *latencies
	work  func(n int) error
}

func openBlocking(ctx context.Context, j *job, trips *latencies) (client, error) {
	params, err := haypileParams(j)
	if err != nil {
		return nil, err
	}
	conn, err := blocking.DialParams(ctx, params, blocking.WithLoop(j.loop))
	if err != nil {
		return nil, err
	}
	b := &blockingClient{ctx: ctx, j: j, conn: conn, trips: trips}
	if err := b.ready(); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

// ready opens the mode's channels.
func (b *blockingClient) ready() error {
	channels := 1
	var opts []blocking.ChannelOption
	switch b.j.mode {
	case modePublish, modeProps:
		channels, b.work = b.j.channels, b.publish
	case modeConfirm:
		b.work = b.publishConfirm
	case modeParallel:
		channels, b.work = b.j.publishers, b.publishParallel
	case modeAuto, modeRead:
		channels, b.work = b.j.consumers, b.consume
	case modeAck:
		b.work = b.consume
	case modeMulti:
		b.work, opts = b.consumeMulti, append(opts, blocking.WithMergedAcks())
	case modeRPC:
		b.work = b.rpc
	case modePingpong:
		b.work = b.pingpong
	case modeIdle:
	default:
		return errMode
	}
	for range channels {
		ch, err := b.conn.Channel(b.ctx, opts...)
		if err != nil {
			return err
		}
		b.ch = append(b.ch, ch)
	}
	if b.j.mode == modeConfirm {
		return b.ch[0].ConfirmSelect(b.ctx)
	}
	return nil
}

func (b *blockingClient) run(n int) error {
	if err := b.work(n); err != nil {
		return err
	}
	reply, err := b.ask()
	if err != nil {
		return err
	}
	return b.j.counted(n, int(reply.MessageCount), int(reply.ConsumerCount))
}

// ask makes passive declares, so that all that was sent has been taken before the
// answer to the last.
func (b *blockingClient) ask() (reply *blocking.QueueDeclareOk, err error) {
	for _, ch := range b.ch[b.j.asking(len(b.ch)):] {
		if reply, err = ch.QueueDeclare(b.ctx, &blocking.QueueDeclare{Queue: b.j.target(), Passive: true}); err != nil {
			return nil, err
		}
	}
	return reply, nil
}

func (b *blockingClient) close() { b.conn.Close(b.ctx) }
