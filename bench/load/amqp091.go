package main

import (
	"context"

	amqp "github.com/rabbitmq/amqp091-go"
)

// amqp091Client is github.com/rabbitmq/amqp091-go as its documentation uses it.
type amqp091Client struct {
	ctx   context.Context
	j     *job
	conn  *amqp.Connection
	ch    []*amqp.Channel
	trips *latencies
	work  func(n int) error
}

func openAMQP091(ctx context.Context, j *job, trips *latencies) (client, error) {
	conn, err := amqp.DialConfig(j.url, amqp.Config{Heartbeat: j.heartbeat, TLSClientConfig: j.tlsConfig(), Locale: "en_US"})
	if err != nil {
		return nil, err
	}
	if j.mode != modeIdle { // where all that we hold would count as its memory
		context.AfterFunc(ctx, func() { conn.Close() }) // a request knows no context
	}
	a := &amqp091Client{ctx: ctx, j: j, conn: conn, trips: trips}
	if err := a.ready(); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// ready opens the mode's channels.
func (a *amqp091Client) ready() error {
	channels := 1
	switch a.j.mode {
	case modePublish, modeProps:
		channels, a.work = a.j.channels, a.publish
	case modeConfirm:
		a.work = a.publishConfirm
	case modeParallel:
		channels, a.work = a.j.publishers, a.publishParallel
	case modeAuto, modeRead:
		channels, a.work = a.j.consumers, a.consume
	case modeAck, modeMulti:
		a.work = a.consume
	case modeRPC:
		a.work = a.rpc
	case modePingpong:
		a.work = a.pingpong
	case modeIdle:
	default:
		return errMode
	}
	for range channels {
		ch, err := a.conn.Channel()
		if err != nil {
			return err
		}
		a.ch = append(a.ch, ch)
	}
	switch {
	case a.j.mode == modeConfirm:
		return a.ch[0].Confirm(false)
	case a.j.acks():
		return a.ch[0].Qos(a.j.window, 0, false)
	}
	return nil
}

func (a *amqp091Client) run(n int) error {
	if err := a.work(n); err != nil {
		return err
	}
	q, err := a.ask()
	if err != nil {
		return err
	}
	return a.j.counted(n, q.Messages, q.Consumers)
}

// ask makes passive declares.
func (a *amqp091Client) ask() (q amqp.Queue, err error) {
	for _, ch := range a.ch[a.j.asking(len(a.ch)):] {
		if q, err = a.declare(ch); err != nil {
			return q, err
		}
	}
	return q, nil
}

func (a *amqp091Client) declare(ch *amqp.Channel) (amqp.Queue, error) {
	return ch.QueueDeclarePassive(a.j.target(), false, false, false, false, nil)
}

func (a *amqp091Client) close() { a.conn.Close() }
