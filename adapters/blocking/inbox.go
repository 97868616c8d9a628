package blocking

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// inbox is what a consumer was sent and has not looked at.
type inbox struct {
	limit int          // above it, the connection should stop reading
	noAck bool         // what is in it needs no ack
	timer *time.Timer  // the consumer's goroutine only
	taken atomic.Int32 // by the consumer's loop, which has not seen them yet

	mu    sync.Mutex // everything below
	items []*Delivery
	bytes int
	err   error         // why nothing will be added any more
	left  bool          // the consumer's loop has been left
	ready chan struct{} // holds one; there is something to look at
}

// maxInboxBytes is what an inbox may hold while the connection cannot stop
// reading.
const maxInboxBytes = 64 << 20

func newInbox(limit int, noAck bool) *inbox {
	return &inbox{limit: limit, noAck: noAck, ready: make(chan struct{}, 1)}
}

// put adds a delivery; false when the consumer has left.
func (b *inbox) put(d *Delivery) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left {
		return false
	}
	b.items = append(b.items, d)
	b.bytes += len(d.Body) + len(d.Properties)
	b.signal()
	return true
}

// signal wakes the consumer, under mu.
func (b *inbox) signal() {
	select {
	case b.ready <- struct{}{}:
	default:
	}
}

// end closes the inbox with a reason. What is in it is kept if it can still be
// settled.
func (b *inbox) end(err error, keep bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = err
	}
	if !keep {
		b.items, b.bytes = nil, 0
	}
	b.signal()
}

// lose drops what can't be settled any more: the broker delivers it again.
func (b *inbox) lose() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.noAck {
		b.items, b.bytes = nil, 0
	}
}

func (b *inbox) full() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.items) > b.limit && !b.left
}

func (b *inbox) overflows() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.items) > b.limit && b.bytes > maxInboxBytes
}

// take waits for deliveries and takes all there are. The inbox goes on with the
// memory of spare. ErrInactive when there were none for as long as patience.
func (b *inbox) take(ctx context.Context, spare []*Delivery, patience time.Duration) ([]*Delivery, error) {
	var late <-chan time.Time
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		b.mu.Lock()
		items, err := b.items, b.err
		if len(items) > 0 {
			b.items, b.bytes = spare, 0
		}
		b.mu.Unlock()
		switch {
		case len(items) > 0:
			return items, nil
		case err != nil:
			return nil, err
		case patience <= 0:
			return nil, ErrInactive
		case late == nil && patience != forever:
			late = b.after(patience)
			defer b.timer.Stop()
		}
		select {
		case <-b.ready:
		case <-late:
			return nil, ErrInactive
		case <-ctx.Done():
		}
	}
}

// after is time.After with one timer for all times.
func (b *inbox) after(d time.Duration) <-chan time.Time {
	if b.timer == nil {
		b.timer = time.NewTimer(d)
	} else {
		b.timer.Reset(d)
	}
	return b.timer.C
}

// leave marks the end of the consumer's loop and returns what it has not seen.
func (b *inbox) leave() (unseen []*Delivery) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left = true
	unseen, b.items = b.items, nil
	return unseen
}

// hasEnded tells that the consumer is no more, for the broker or its channel.
func (b *inbox) hasEnded() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err != nil
}
