package blocking

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// Recovery is how a connection comes back after it was lost: the transport
// failed, the broker went silent, or it closed the connection. It is not after our
// own Close.
//
// The endpoints are tried in cycles, the first at once, with pauses between them that
// grow from 2 to 30 seconds (Params.RetryDelay, MaxRetryDelay). On the new
// connection everything is made again in this order: exchanges, queues and bindings
// that were declared through the connection, in the order in which they were
// (passive declares are not; a queue that the broker named gets a new name, which
// replaces the old one wherever the connection uses it); the channels with their
// prefetch, confirm or transaction mode; the consumers, whose loops go on, those of
// streams behind what they have settled.
//
// The broker may take the lost connection for alive for some time, and an exclusive
// queue, or consumer, for its: such ones are tried again with the same pauses, up to
// ten times, while the rest waits.
//
// What was under way: publishes that wait for their confirm end with
// ErrUnknownOutcome, or are sent again (Republish); so do requests that wait for
// their answer. Deliveries of the lost connection cannot be settled any more
// (ErrStaleDelivery): the broker delivers them again. A transaction of which something
// was sent cannot be committed (ErrTransactionLost). Publishes wait until the
// connection is back, requests too; their contexts bound that, and the error says
// why it was lost.
type Recovery struct {
	// Attempts is how many cycles of endpoints to try for each loss. 0 means no
	// limit. It has nothing to do with Params.Attempts, nor with attempts in a URI:
	// these are for Dial, and 0 means 1 there.
	Attempts int
	// Timeout bounds each recovery as a whole. 0 means no limit.
	Timeout time.Duration
	// Republish sends messages again whose confirm had not come, with their bodies
	// kept until then: at least once instead of at most once. What is kept counts
	// against MaxBuffered. Where the broker closes the channel or the connection
	// over a publish, one of them is the reason: then none is sent again.
	Republish bool
	// ReopenChannels has a channel that the broker closes over an error opened
	// again on the same connection, with its prefetch, its mode and its consumers,
	// whose loops go on. The call that was the reason gets the broker's *Error, and
	// so do those whose answers it keeps from coming. What was under way otherwise
	// ends as with a lost connection, and what comes later waits until the channel is
	// back (ChannelReopened). Queues that the broker has deleted with the channel's
	// consumers (AutoDelete) are declared again before. It is for consumers that
	// should outlive a mistake made beside them; a program that publishes may rather
	// see its channel end.
	//
	// What is made again does not get a second chance: a consumer that the broker
	// refuses then ends with the refusal, and the channel is opened without it. When
	// it is closed for the third time, each within a minute of the one before, it is
	// opened after a pause, which grows from time to time as between attempts to
	// connect.
	//
	// A channel that we close because of what the broker sent, such as a message
	// beyond MaxMessage, stays closed.
	ReopenChannels bool
	// Filter tells what to declare again; nil means everything. It runs where the
	// connection does, as the package comment says under Goroutines.
	Filter func(Entity) bool
}

// WithRecovery changes how the connection is recovered. nil switches recovery off:
// a connection that is lost has ended. Default: the zero Recovery.
func WithRecovery(r *Recovery) Option { return func(s *settings) { s.recovery = r } }

func (r *Recovery) check() error {
	switch {
	case r == nil:
	case r.Attempts < 0:
		return &ConfigError{Field: "Recovery.Attempts", Value: r.Attempts, Want: "positive, or 0 for no limit"}
	case r.Timeout < 0:
		return &ConfigError{Field: "Recovery.Timeout", Value: r.Timeout, Want: "positive, or 0 for no limit"}
	}
	return nil
}

// fate is what becomes of a connection when its transport ends.
type fate uint8

const (
	fateOpen  fate = iota
	fateLost       // it will be recovered
	fateEnded      // it will not
)

// decide settles the fate, on the loop, of a connection that has ended. Its
// channels ask first, and all must get the same answer.
func (c *Conn) decide(cc *core.Conn) fate {
	if c.turn.fate == fateOpen {
		c.mu.Lock()
		closing := c.closing
		c.mu.Unlock()
		c.turn.fate = fateLost
		if c.recovery == nil || closing || cc.Err() == nil {
			c.turn.fate = fateEnded
		}
	}
	return c.turn.fate
}

// recover connects until the connection is back as it was, in a goroutine of its
// own.
func (c *Conn) recover(d *driver.Conn, cause error, flaps int) {
	<-d.Done() // the lost connection's turn on the loop is over
	ctx := c.stopped
	if c.recovery.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.recovery.Timeout)
		defer cancel()
	}
	if flaps > 1 {
		c.pause(ctx, flaps-1)
	}
	failure := cause // the latest
	for n := 1; ; n++ {
		err := ctx.Err()
		if err == nil {
			err = c.reconnect(ctx)
		}
		switch {
		case err == nil:
			return
		case ctx.Err() == nil:
			failure = err
		default: // which says nothing of what it was that took so long
			err = &withReason{errRecoveryTimeout, failure}
		}
		if c.stopped.Err() != nil { // by Close, and nothing is newer than the loss
			c.finish(cause)
			return
		}
		if c.hopeless(ctx, n, err) {
			c.finish(err, RecoveryFailed{err})
			return
		}
		c.pause(ctx, n)
	}
}

// stable is how long a connection must hold for its next loss to count as the
// first one. Those that are lost sooner are not connected to again without a pause.
const stable = time.Minute

func (c *Conn) pause(ctx context.Context, n int) {
	t := time.NewTimer(c.params.Pause(n))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// hopeless tells that the n-th attempt was the last.
func (c *Conn) hopeless(ctx context.Context, n int, err error) bool {
	return ctx.Err() != nil || n == c.recovery.Attempts || errors.Is(err, adapters.ErrClosed) ||
		!c.params.RetryAuth && errors.Is(err, wire.AccessRefused)
}

// reconnect makes one attempt, and waits until everything has been made again. The
// error is why it was not.
func (c *Conn) reconnect(ctx context.Context) error {
	back := make(chan struct{})
	c.mu.Lock()
	c.back = back
	c.mu.Unlock()
	d, err := c.connect(ctx, &c.params)
	if err != nil {
		return err
	}
	select {
	case <-back:
		return nil
	case <-d.Done():
	case <-ctx.Done():
		if c.isLost() { // else it came back in the same moment, and whoever ends it says how
			d.Abort()
			<-d.Done()
		}
	}
	select {
	case <-back: // and lost since, which is for another to mend
		return nil
	default:
		return orElse(d.Err(), ErrClosed)
	}
}

func (c *Conn) isLost() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lost
}

// errRecoveryTimeout is the end of Recovery.Timeout.
var errRecoveryTimeout = fmt.Errorf("amqp: recovery took too long: %w", context.DeadlineExceeded)

var errConnectionLost = errors.New("amqp: the connection is lost and not yet recovered")

// whileLost adds to a context's error what kept the call from ending sooner.
func (c *Conn) whileLost(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.lost {
		return err
	}
	return &withReason{err, &withReason{errConnectionLost, c.lostErr}}
}
