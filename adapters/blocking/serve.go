package blocking

import (
	"context"
	"errors"
)

// Serve is the other half of Caller: it has fn work on requests, as Handle does,
// and sends what it returns to where the request wants its reply, with the
// request's correlation-id. Exchange, routing key, Mandatory and RawProperties of
// the reply are not fn's to set. The request is acknowledged behind the reply.
//
// nil as the reply sends none; neither do requests without a reply-to get one. After
// an error, Handle.Requeue decides what becomes of the request. If the broker is not
// to deliver it again, the caller is sent an empty reply with the header ErrorHeader,
// which Caller.Call returns as a *ReplyError: the error's text, up to 1024 bytes of it,
// leaves the program then; of a panic, it says only that there was one. Request and
// reply are at least once: the caller may get a reply twice, and drops the second.
func (ch *Channel) Serve(ctx context.Context, opts *Handle, fn func(ctx context.Context, request *Delivery) (reply *Publishing, err error)) error {
	if fn == nil {
		return ch.Handle(ctx, opts, nil)
	}
	return ch.handle(ctx, opts, func(ctx context.Context, d *Delivery) error {
		reply, err := fn(ctx, d)
		if err != nil || reply == nil {
			return err
		}
		return ch.reply(ctx, d, reply)
	}, ch.replyError)
}

// ErrorHeader is the header of a reply that tells of a failure, with its text.
const ErrorHeader = "x-error"

// ReplyError is a reply that tells that the request failed, as Channel.Serve sends
// it.
type ReplyError struct {
	Text  string    // as the server has it
	Reply *Delivery // with whatever else it has; it needs no ack
}

// Error has the server's text.
func (e *ReplyError) Error() string { return "amqp: the request failed: " + e.Text }

// asError is nil for a reply that tells of no failure.
func asError(reply *Delivery) error {
	raw, ok := reply.Properties.Headers()
	if !ok {
		return nil
	}
	value, _, _ := raw.Lookup(ErrorHeader) // headers that cannot be read are the program's to find out
	if text, ok := value.(string); ok {
		return &ReplyError{Text: text, Reply: reply}
	}
	return nil
}

// replyError tells the caller that its request failed for good.
func (ch *Channel) replyError(ctx context.Context, request *Delivery, err error) {
	const longest = 1024 // bytes, to fit a frame whatever else is in it
	text := err.Error()
	if p := (*PanicError)(nil); errors.As(err, &p) {
		text = "the handler panicked"
	}
	_ = ch.reply(ctx, request, &Publishing{Properties: &Properties{Headers: Table{
		ErrorHeader: text[:min(len(text), longest)],
	}}}) // an error: the channel has ended, and the request goes back
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
