package blocking

import (
	"context"
	"errors"
)

// WithConfirmWindow bounds the publishes of the channel that wait for their
// outcome: PublishDeferred and PublishConfirm wait while there are n of them. It
// keeps a fast publisher from running far ahead of the broker, and bounds what has
// an unknown outcome when the connection is lost. 0 means no limit, which is the
// default.
func WithConfirmWindow(n int) ChannelOption {
	return func(s *channelSettings) { s.window = n }
}

var errWindow = &withReason{ErrBackpressure, errors.New("as many publishes as the confirm window allows wait for their outcome")}

// enterWindow takes a place in the window, which the publish's outcome gives back.
func (ch *Channel) enterWindow(ctx context.Context) error {
	select {
	case ch.window <- struct{}{}:
		return nil
	default:
	}
	if ch.failFast {
		return errWindow
	}
	select {
	case ch.window <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ch.conn.whileLost(ctx.Err())
	}
}
