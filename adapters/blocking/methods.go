package blocking

import (
	"context"

	"github.com/haypile/haypile/core/wire"
)

// The methods below make one request each and wait for the reply. They return
// when the broker has answered, with its *Error when it closed the channel over
// the request, with ErrClosed when the channel has ended, or with ctx's error.
// Requests with NoWait set are refused: calls of several goroutines overlap as
// it is.

// ExchangeDeclare creates an exchange, or checks that it exists as described.
func (ch *Channel) ExchangeDeclare(ctx context.Context, req *ExchangeDeclare) error {
	_, err := call(ctx, ch, req)
	return err
}

// ExchangeDelete deletes an exchange and its bindings.
func (ch *Channel) ExchangeDelete(ctx context.Context, req *ExchangeDelete) error {
	_, err := call(ctx, ch, req)
	return err
}

// ExchangeBind binds an exchange to another. https://www.rabbitmq.com/docs/e2e
func (ch *Channel) ExchangeBind(ctx context.Context, req *ExchangeBind) error {
	_, err := call(ctx, ch, req)
	return err
}

// ExchangeUnbind removes a binding between exchanges.
func (ch *Channel) ExchangeUnbind(ctx context.Context, req *ExchangeUnbind) error {
	_, err := call(ctx, ch, req)
	return err
}

// QueueDeclare creates a queue, or checks that it exists as described. The
// reply has the name that the broker chose for an empty one.
func (ch *Channel) QueueDeclare(ctx context.Context, req *QueueDeclare) (*QueueDeclareOk, error) {
	return call(ctx, ch, req)
}

// QueueBind binds a queue to an exchange.
func (ch *Channel) QueueBind(ctx context.Context, req *QueueBind) error {
	_, err := call(ctx, ch, req)
	return err
}

// QueueUnbind removes a binding of a queue.
func (ch *Channel) QueueUnbind(ctx context.Context, req *QueueUnbind) error {
	_, err := call(ctx, ch, req)
	return err
}

// QueuePurge drops the messages that are ready for delivery.
func (ch *Channel) QueuePurge(ctx context.Context, req *QueuePurge) (*QueuePurgeOk, error) {
	return call(ctx, ch, req)
}

// QueueDelete deletes a queue with its messages.
func (ch *Channel) QueueDelete(ctx context.Context, req *QueueDelete) (*QueueDeleteOk, error) {
	return call(ctx, ch, req)
}

// Qos bounds the deliveries that may be unacknowledged at a time. Consume does
// it for its own consumer; this is for the channel as a whole (Global).
// https://www.rabbitmq.com/docs/consumer-prefetch
func (ch *Channel) Qos(ctx context.Context, req *Qos) error {
	_, err := call(ctx, ch, req)
	return err
}

// Recover has the broker take back all deliveries of the channel that are not
// settled, and deliver them again, to whatever consumer. Those that came before
// cannot be settled any more (ErrStaleDelivery), and loops get no more of them.
func (ch *Channel) Recover(ctx context.Context) error {
	return request(ctx, ch, wire.BasicRecoverID, func(w *waiter[*wire.BasicRecoverOk]) error { return ch.recover(w.settle) })
}

// recover makes the request, on the loop. What is delivered before the answer came
// before, too.
func (ch *Channel) recover(settle func(*wire.BasicRecoverOk, error)) error {
	err := counted(ch.conn, func(done func(*wire.BasicRecoverOk, error)) error {
		return ch.core.Recover(&wire.BasicRecover{Requeue: true}, done)
	}, func(ok *wire.BasicRecoverOk, err error) {
		if err == nil {
			ch.recovers--
			ch.requeued()
		} // else the channel has ended, which suspend or end is told next
		settle(ok, err)
	})
	if err == nil {
		ch.recovers++
	}
	return err
}

// requeued notes that the broker has taken back what was not settled.
func (ch *Channel) requeued() {
	ch.epoch.Add(1)
	ch.conn.turn.stats.Unsettled -= ch.unsettled
	ch.unsettled = 0
	if ch.merger != nil {
		ch.merger.requeued()
	}
	for _, k := range ch.consumers {
		k.lose()
	}
}

// ConfirmSelect turns publisher confirms on. PublishConfirm does it by itself.
func (ch *Channel) ConfirmSelect(ctx context.Context) error {
	_, err := call(ctx, ch, &wire.ConfirmSelect{})
	return err
}
