package blocking

import (
	"context"
	"errors"
	"strings"

	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/core"
)

// Sentinels, compared with errors.Is.
var (
	// ErrClosed: the connection or channel has ended. What ended it, if not we,
	// is wrapped as well. It matches net.ErrClosed, too.
	ErrClosed = driver.ErrClosed
	// ErrHeartbeat: the connection ended because the broker was silent for longer
	// than heartbeats allow.
	ErrHeartbeat = core.ErrHeartbeat
	// ErrHandshakeTimeout: the broker did not complete the handshake in time.
	ErrHandshakeTimeout = core.ErrHandshakeTimeout
	// ErrCloseTimeout: the broker did not answer our close in time.
	ErrCloseTimeout = core.ErrCloseTimeout
	// ErrBlockedTimeout: the broker kept the connection blocked for too long.
	ErrBlockedTimeout = core.ErrBlockedTimeout
	// ErrNoChannel: every channel number is taken.
	ErrNoChannel = core.ErrNoChannel
	// ErrFrameTooLarge: a request or the properties of a message do not fit a
	// frame.
	ErrFrameTooLarge = core.ErrFrameTooLarge
	// ErrBackpressure: the channel has WithFailFast, and the publish would have to
	// wait. Why is wrapped. Nothing was sent.
	ErrBackpressure = core.ErrBackpressure
	// ErrNacked: the broker did not take the message. RabbitMQ's quorum queues say so
	// while they have no leader, and RabbitMQ 3.10 goes on to do so on a channel whose
	// first message came then: wait, and try again on another channel.
	ErrNacked = errors.New("amqp: the broker refused the message")
	// ErrUnroutable: no queue gets the message. The error is an
	// *UnroutableError, which has the message.
	ErrUnroutable = errors.New("amqp: message is unroutable")
	// ErrUnknownOutcome: the channel or connection ended before the broker
	// confirmed the message, or answered the request; it may or may not have done
	// what it was asked. What ended is wrapped.
	ErrUnknownOutcome = errors.New("amqp: outcome is unknown")
	// ErrStaleDelivery: the delivery came before the connection was lost, its channel
	// reopened, or Channel.Recover called. Nothing was sent; the broker delivers it
	// again.
	ErrStaleDelivery = errors.New("amqp: the broker has taken the delivery back since, and delivers it again")
	// ErrRPCTimeout: the broker did not answer within WithRPCTimeout. It matches
	// context.DeadlineExceeded, too.
	ErrRPCTimeout error = timeoutError{}
	// ErrSettled: the delivery was acked, nacked or rejected before, or needs
	// no ack because its consumer has NoAck.
	ErrSettled = errors.New("amqp: delivery is settled already")
	// ErrCanceled: the broker ended the consumer, for instance because its
	// queue was deleted.
	ErrCanceled = errors.New("amqp: consumer was canceled by the broker")
	// ErrInactive: a loop over deliveries has waited for as long as
	// Consume.Inactivity. The loop goes on.
	ErrInactive = errors.New("amqp: no delivery for some time")
	// ErrInboxOverflow: a consumer without prefetch took its messages too
	// slowly while the connection could not stop reading.
	ErrInboxOverflow = errors.New("amqp: consumer's inbox is full")
)

type timeoutError struct{}

func (timeoutError) Error() string { return "amqp: no answer from the broker within the RPC timeout" }

func (timeoutError) Is(target error) bool { return target == context.DeadlineExceeded }

// Timeout is what net.Error has.
func (timeoutError) Timeout() bool { return true }

// UnroutableError is a mandatory message that the broker returned. It matches
// ErrUnroutable.
type UnroutableError struct {
	Return *Return // the message, with the broker's code and text; the receiver's to keep
}

// Error names exchange and routing key and has the broker's text.
func (e *UnroutableError) Error() string {
	return "amqp: message to exchange \"" + e.Return.Exchange + "\" with key \"" + e.Return.RoutingKey + "\" came back: " + e.Return.Text
}

// Is matches ErrUnroutable.
func (e *UnroutableError) Is(target error) bool { return target == ErrUnroutable }

// Unwrap is the broker's reply code.
func (e *UnroutableError) Unwrap() error { return e.Return.Code }

// withReason is a sentinel and why it came to that.
type withReason struct {
	sentinel error
	reason   error
}

func (e *withReason) Error() string {
	return e.sentinel.Error() + ": " + strings.TrimPrefix(e.reason.Error(), "amqp: ")
}

func (e *withReason) Unwrap() []error { return []error{e.sentinel, e.reason} }

// because joins a sentinel with a reason, if there is one that says more.
func because(sentinel, reason error) error {
	if reason == nil || errors.Is(reason, sentinel) {
		return orElse(reason, sentinel)
	}
	return &withReason{sentinel, reason}
}

func orElse(err, otherwise error) error {
	if err == nil {
		return otherwise
	}
	return err
}
