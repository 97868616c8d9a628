package blocking

import "context"

// Serve is the other half of Caller: it has fn work on requests, as Handle does,
// and sends what it returns to where the request wants its reply, with the
// request's correlation-id. Exchange, routing key, Mandatory and RawProperties of
// the reply are not fn's to set. The request is acknowledged behind the reply.
//
// nil as the reply sends none; neither do requests without a reply-to get one. An
// error sends none either, and Handle.Requeue decides what becomes of the request:
// an error that the caller should hear of is a reply like any other. Request and
// reply are at least once: the caller may get a reply twice, and drops the second.
func (ch *Channel) Serve(ctx context.Context, opts *Handle, fn func(ctx context.Context, request *Delivery) (reply *Publishing, err error)) error {
	if fn == nil {
		return ch.Handle(ctx, opts, nil)
	}
	return ch.Handle(ctx, opts, func(ctx context.Context, d *Delivery) error {
		reply, err := fn(ctx, d)
		if err != nil || reply == nil {
			return err
		}
		return ch.reply(ctx, d, reply)
	})
}

// reply publishes a reply, unless the broker delivers the request again.
func (ch *Channel) reply(ctx context.Context, request *Delivery, p *Publishing) error {
	to, ok := request.Properties.ReplyTo()
	if !ok || request.stale() {
		return nil
	}
	m, props, err := addressed(p)
	if err != nil {
		return err
	}
	props.CorrelationID, _ = request.Properties.CorrelationID()
	m.Exchange, m.RoutingKey, m.Mandatory = "", to, false
	return ch.Publish(ctx, m)
}
