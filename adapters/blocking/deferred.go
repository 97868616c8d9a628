package blocking

import "context"

// Deferred is a publish whose outcome comes later. Its methods may be called from
// any goroutine, and as often as wanted.
type Deferred outcome

// PublishDeferred sends a message and returns a handle on its outcome, so that one
// goroutine can publish many without waiting for each. The first one turns the
// channel's confirms on. It waits as Publish does, and as WithConfirmWindow
// demands; its errors are Publish's, each of which means that nothing was sent.
func (ch *Channel) PublishDeferred(ctx context.Context, p *Publishing) (*Deferred, error) {
	p, done := ch.publishing(ctx, p)
	d, err := ch.publishDeferred(ctx, p)
	switch {
	case len(done) == 0:
	case err != nil:
		done.run(err)
	default:
		go func() { // hooks are told of the outcome, whether the caller asks for it or not
			<-d.Done()
			done.run(d.err)
		}()
	}
	return d, err
}

func (ch *Channel) publishDeferred(ctx context.Context, p *Publishing) (*Deferred, error) {
	o := new(outcome)
	if err := ch.publish(ctx, p, o); err != nil {
		return nil, err
	}
	return (*Deferred)(o), nil
}

// PublishConfirm sends a message and waits until the broker has taken it. It is
// PublishDeferred and Wait: its errors are those of both.
//
// Many goroutines may wait at once; that is one way to publish fast with confirms.
func (ch *Channel) PublishConfirm(ctx context.Context, p *Publishing) (err error) {
	p, done := ch.publishing(ctx, p)
	defer func() { done.run(err) }()
	o := ch.ownOutcome()
	if err := ch.publish(ctx, p, o); err != nil {
		ch.reuse(o)
		return err
	}
	select {
	case <-o.done:
		err = o.err
		ch.reuse(o)
		return err
	case <-ctx.Done():
		return ch.conn.whileLost(ctx.Err())
	}
}

// Done is closed when the outcome is known. It is always the same channel; Wait and
// Err do without it where the outcome is known already, which is cheaper.
func (d *Deferred) Done() <-chan struct{} { return (*outcome)(d).await() }

// Err is the outcome: nil when the broker has the message, and before the outcome
// is known. Else ErrNacked, ErrUnroutable (an *UnroutableError with the message;
// only if it was Mandatory), or ErrUnknownOutcome when channel or connection ended
// first. ErrClosed without ErrUnknownOutcome: they had ended before it was sent.
func (d *Deferred) Err() error {
	if d.settled.Load() {
		return d.err
	}
	return nil
}

// Wait waits until the outcome is known, and is Err then. When ctx ends before, its
// error is returned and the outcome is still to come: Wait may be called again.
func (d *Deferred) Wait(ctx context.Context) error {
	if d.settled.Load() {
		return d.err
	}
	select {
	case <-d.Done():
		return d.err
	case <-ctx.Done():
		return ctx.Err()
	}
}
