package broker

import (
	"context"
	"fmt"
	"slices"
)

// HeldConfirms are confirms that the broker keeps for a test to send when and how it
// likes. Its methods may be called from any goroutine.
type HeldConfirms struct {
	broker *Broker
	held   []output // under Broker.mu
}

// HoldConfirms has the broker keep all confirms from now on, acks and nacks, of all
// channels, until one of the methods of what it returns sends them. Messages are
// routed as ever. One that was called before holds nothing more.
func (b *Broker) HoldConfirms() *HeldConfirms {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.holding = &HeldConfirms{broker: b}
	return b.holding
}

// keeps takes a confirm that is about to leave. It is under Broker.mu.
func (h *HeldConfirms) keeps(o output) bool {
	if h == nil || o.kind != outAck && o.kind != outNack {
		return false
	}
	h.held = append(h.held, o)
	return true
}

// Len is how many confirms are held.
func (h *HeldConfirms) Len() int {
	h.broker.mu.Lock()
	defer h.broker.mu.Unlock()
	return len(h.held)
}

// Wait waits until n confirms or more are held. The error is a *WaitError, and RunT
// bounds the wait: see WaitFor.
func (h *HeldConfirms) Wait(ctx context.Context, n int) error {
	return h.broker.wait(ctx, func() bool { return h.Len() >= n }, func(*State) string {
		return fmt.Sprintf("want %d held confirms, have %d", n, h.Len())
	})
}

// Release sends what is held as the broker would have, and holds nothing more.
func (h *HeldConfirms) Release() { h.release(func(held []output) []output { return held }) }

// ReleaseReversed sends what is held in the reverse order, and holds nothing more.
func (h *HeldConfirms) ReleaseReversed() {
	h.release(func(held []output) []output {
		slices.Reverse(held)
		return held
	})
}

// ReleaseAsOne sends the nacks that are held, one by one, and then a single ack for
// each channel, for all its messages (multiple), and holds nothing more.
func (h *HeldConfirms) ReleaseAsOne() {
	h.release(func(held []output) []output {
		var sent, acks []output
		slices.Reverse(held)
		for _, o := range held {
			switch {
			case o.kind == outNack:
				sent = append(sent, o)
			case !slices.ContainsFunc(acks, func(a output) bool { return a.channel == o.channel }):
				o.flag = true
				acks = append(acks, o)
			}
		}
		return append(sent, acks...)
	})
}

// Discard forgets what is held, so that it is never sent, and holds nothing more.
func (h *HeldConfirms) Discard() { h.release(func([]output) []output { return nil }) }

// release sends what choose makes of what is held.
func (h *HeldConfirms) release(choose func(held []output) []output) {
	b := h.broker
	b.mu.Lock()
	if b.holding == h {
		b.holding = nil
	}
	for _, o := range choose(h.held) {
		o.channel.push(o)
	}
	h.held = nil
	b.finish(nil)
}
