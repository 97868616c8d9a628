package broker

import (
	"context"
	"fmt"
	"strings"
)

// WaitError is why a wait has ended without what was waited for.
type WaitError struct {
	Err   error  // the context's
	State *State // at that time
}

// Error has a line about each queue.
func (e *WaitError) Error() string {
	var s strings.Builder
	fmt.Fprintf(&s, "amqp: broker: not what was waited for: %v; %d connections, %d queues", e.Err, len(e.State.Connections), len(e.State.Queues))
	for i := range e.State.Queues {
		q := &e.State.Queues[i]
		fmt.Fprintf(&s, "\n\t%s %s: %d ready, %d unacked, %d consumers", q.VirtualHost, q.Name, q.Ready, q.Unacked, q.Consumers)
	}
	return s.String()
}

// Unwrap is the context's error.
func (e *WaitError) Unwrap() error { return e.Err }

// WaitFor waits until the broker's state is as wanted. It looks at once and after
// what clients, time and tests have changed, and does not poll. is gets a state of
// its own, and may call anything. The error is a *WaitError, when the context ends.
// Do not call it on the broker's loop.
func (b *Broker) WaitFor(ctx context.Context, is func(s *State) bool) error {
	return b.wait(ctx, func() bool {
		s := b.State()
		return is(&s)
	})
}

func (b *Broker) wait(ctx context.Context, is func() bool) error {
	changed := make(chan struct{}, 1)
	defer b.watch(func() {
		select {
		case changed <- struct{}{}:
		default: // it has not looked since
		}
	})()
	for !is() {
		select {
		case <-changed:
		case <-ctx.Done():
			s := b.State()
			return &WaitError{Err: ctx.Err(), State: &s}
		}
	}
	return nil
}

// watch has f called after each event, under mu, until stop.
func (b *Broker) watch(f func()) (stop func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.watched++
	n := b.watched
	b.watchers[n] = f
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.watchers, n)
	}
}

// WaitConnections waits until so many connections are open. As with all that
// follow, the error is a *WaitError.
func (b *Broker) WaitConnections(ctx context.Context, n int) error {
	return b.WaitFor(ctx, func(s *State) bool {
		open := 0
		for i := range s.Connections {
			if s.Connections[i].VirtualHost != "" {
				open++
			}
		}
		return open == n
	})
}

// WaitQueue waits until a queue of the virtual host "/" is as wanted. A queue that
// does not exist is not.
func (b *Broker) WaitQueue(ctx context.Context, name string, is func(q *QueueState) bool) error {
	return b.WaitFor(ctx, func(s *State) bool {
		q := s.Queue("/", name)
		return q != nil && is(q)
	})
}

// WaitReady waits until a queue of the virtual host "/" has so many messages to
// deliver.
func (b *Broker) WaitReady(ctx context.Context, queue string, n int) error {
	return b.WaitQueue(ctx, queue, func(q *QueueState) bool { return q.Ready == n })
}

// WaitUnacked waits until so many messages of a queue of the virtual host "/" have
// been delivered and not acknowledged.
func (b *Broker) WaitUnacked(ctx context.Context, queue string, n int) error {
	return b.WaitQueue(ctx, queue, func(q *QueueState) bool { return q.Unacked == n })
}

// WaitEmpty waits until a queue of the virtual host "/" has no message, ready or
// unacknowledged: all work is done.
func (b *Broker) WaitEmpty(ctx context.Context, queue string) error {
	return b.WaitQueue(ctx, queue, func(q *QueueState) bool { return q.Messages() == 0 })
}

// WaitConsumers waits until a queue of the virtual host "/" has so many consumers.
func (b *Broker) WaitConsumers(ctx context.Context, queue string, n int) error {
	return b.WaitQueue(ctx, queue, func(q *QueueState) bool { return q.Consumers == n })
}
