package blocking

import (
	"context"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// Get describes a fetch for Channel.Get.
type Get struct {
	Queue string // must exist; empty for the one declared last on the channel
	NoAck bool   // the message counts as acknowledged when it is sent
}

// Get fetches one message, nil when the queue has none. Consume is much faster
// for more than a few.
func (ch *Channel) Get(ctx context.Context, opts *Get) (*Delivery, error) {
	if opts == nil {
		return nil, errNoOptions
	}
	var got *Delivery
	done := ch.calling(ctx, wire.BasicGetID)
	w := newWaiter[wire.Method]()
	w.run = func(*core.Conn) error {
		req := &wire.BasicGet{Queue: ch.queueName(opts.Queue), NoAck: opts.NoAck}
		return counted(ch.conn, func(done func(*core.Delivery, error)) error {
			return ch.core.Get(req, done)
		}, func(d *core.Delivery, err error) {
			if d != nil {
				got = newDelivery(ch, d, req.NoAck, nil)
			}
			if !w.offer(nil, err) && got != nil {
				_ = got.Nack(true) // with NoAck it is settled already
			}
		})
	}
	err := w.send(ctx, ch.conn, op{kind: opCall, ch: ch, call: &w.self})
	done.run(err)
	if err != nil {
		return nil, err
	}
	return got.handed(ctx, opts.Queue), nil
}
