package broker

import (
	"cmp"
	"context"
	"fmt"
	"strings"
)

// WaitError is why a wait has ended without what was waited for.
type WaitError struct {
	Err   error  // the context's, or context.DeadlineExceeded for a wait that RunT bounds
	State *State // at that time
	// Missing says what was waited for and what there was, such as
	// "jobs: want 7 ready, have 0". It is empty for WaitFor.
	Missing string
}

// Error has what is missing and a line about each queue.
func (e *WaitError) Error() string {
	var s strings.Builder
	fmt.Fprintf(&s, "amqp: broker: %s (%v)", cmp.Or(e.Missing, "not what was waited for"), e.Err)
	fmt.Fprintf(&s, "\n\t%d connections, %d queues", len(e.State.Connections), len(e.State.Queues))
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
// its own, and may call anything. The error is a *WaitError, when the context ends,
// or ErrZero. Do not call it on the broker's loop.
//
// A t.Context() ends only after the test, too late for a wait that is in vain. So
// the broker of RunT bounds a wait whose context has no deadline: to 30 seconds, or
// half of what is left of go test's -timeout if that is less; inside a bubble of
// testing/synctest, to a day of its time.
func (b *Broker) WaitFor(ctx context.Context, is func(s *State) bool) error {
	return b.waitFor(ctx, is, func(*State) string { return "" })
}

// waitFor is WaitFor, with what is said of a state that is not as wanted.
func (b *Broker) waitFor(ctx context.Context, is func(s *State) bool, missing func(s *State) string) error {
	return b.wait(ctx, func() bool {
		s := b.State()
		return is(&s)
	}, missing)
}

func (b *Broker) wait(ctx context.Context, is func() bool, missing func(s *State) string) error {
	if b.watchers == nil {
		return ErrZero
	}
	ctx, cancel := b.settings.patience.bound(ctx)
	defer cancel()
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
			return &WaitError{Err: ctx.Err(), State: &s, Missing: missing(&s)}
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
// follow, the error is a *WaitError, and RunT bounds the wait: see WaitFor.
func (b *Broker) WaitConnections(ctx context.Context, n int) error {
	return b.waitFor(ctx, func(s *State) bool { return s.open() == n }, func(s *State) string {
		return fmt.Sprintf("want %d connections, have %d", n, s.open())
	})
}

// open counts the connections that are open.
func (s *State) open() (n int) {
	for i := range s.Connections {
		if s.Connections[i].VirtualHost != "" {
			n++
		}
	}
	return n
}

// WaitQueue waits until a queue of the virtual host "/" is as wanted. A queue that
// does not exist is not.
func (b *Broker) WaitQueue(ctx context.Context, name string, is func(q *QueueState) bool) error {
	return b.waitQueue(ctx, name, is, func(*QueueState) string { return "not what was waited for" })
}

func (b *Broker) waitQueue(ctx context.Context, name string, is func(q *QueueState) bool, missing func(q *QueueState) string) error {
	return b.waitFor(ctx, func(s *State) bool {
		q := s.Queue("/", name)
		return q != nil && is(q)
	}, func(s *State) string {
		q := s.Queue("/", name)
		if q == nil {
			return s.without(name)
		}
		return name + ": " + missing(q)
	})
}

// without says that a queue is not there, and which are.
func (s *State) without(name string) string {
	var there []string
	for i := range s.Queues {
		if s.Queues[i].VirtualHost == "/" {
			there = append(there, s.Queues[i].Name)
		}
	}
	if there == nil {
		return fmt.Sprintf("no queue %q; there is none", name)
	}
	return fmt.Sprintf("no queue %q; there is: %s", name, strings.Join(there, ", "))
}

// waitCount is waitQueue for a number of something.
func (b *Broker) waitCount(ctx context.Context, queue string, n int, what string, count func(q *QueueState) int) error {
	return b.waitQueue(ctx, queue, func(q *QueueState) bool { return count(q) == n }, func(q *QueueState) string {
		return fmt.Sprintf("want %d %s, have %d", n, what, count(q))
	})
}

// WaitReady waits until a queue of the virtual host "/" has so many messages to
// deliver.
func (b *Broker) WaitReady(ctx context.Context, queue string, n int) error {
	return b.waitCount(ctx, queue, n, "ready", func(q *QueueState) int { return q.Ready })
}

// WaitUnacked waits until so many messages of a queue of the virtual host "/" have
// been delivered and not acknowledged.
func (b *Broker) WaitUnacked(ctx context.Context, queue string, n int) error {
	return b.waitCount(ctx, queue, n, "unacked", func(q *QueueState) int { return q.Unacked })
}

// WaitEmpty waits until a queue of the virtual host "/" has no message, ready or
// unacknowledged: all work is done.
func (b *Broker) WaitEmpty(ctx context.Context, queue string) error {
	return b.waitCount(ctx, queue, 0, "messages", (*QueueState).Messages)
}

// WaitConsumers waits until a queue of the virtual host "/" has so many consumers.
func (b *Broker) WaitConsumers(ctx context.Context, queue string, n int) error {
	return b.waitCount(ctx, queue, n, "consumers", func(q *QueueState) int { return q.Consumers })
}
