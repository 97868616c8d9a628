package blocking

import (
	"context"
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/haypile/haypile/core"
)

const (
	// largeBody is from what size on a body is lent to core, to go to the transport
	// without another copy. Such bodies also wait while maxOutput bytes wait to be sent:
	// a few that are on their way keep the connection busy, many would only be moved out
	// of the processor's cache and into it again.
	largeBody = 16 << 10
	maxOutput = 256 << 10
	// hugeBody is from what size on it is lent from the publisher's own memory. A
	// publisher who waits for the transport is dearer than a smaller copy.
	hugeBody = 256 << 10
)

// lending is a large body on its way.
type lending struct {
	bytes []byte
	back  func(error) // takes it back from core; made once
	state atomic.Int32
	given chan struct{} // tells a publisher whose memory it is that it is not needed any more
}

// How far a body is.
const (
	lendingQueued    int32 = iota
	lendingTaken           // by the loop, which has not lent it yet
	lendingLent            // to core, which gives it back
	lendingWithdrawn       // by the publisher: the message is not sent
)

// lendings are for bodies in memory of ours. They are shared by all connections, so
// that an idle one has none.
var lendings sync.Pool

// lend copies a body into memory that can be lent.
func lend(body []byte) *lending {
	l, ok := lendings.Get().(*lending)
	if !ok {
		l = new(lending)
		l.back = l.free
	}
	if cap(l.bytes) < len(body) {
		l.bytes = make([]byte, 0, 1<<bits.Len(uint(len(body)-1)))
	}
	l.bytes = append(l.bytes[:0], body...)
	l.state.Store(lendingQueued)
	return l
}

// free has memory of ours used again, unless it is much.
func (l *lending) free(error) {
	if scribble {
		clear(l.bytes)
	}
	if cap(l.bytes) <= hugeBody {
		lendings.Put(l)
	}
}

// borrow lends a body from where it is.
func (ch *Channel) borrow(body []byte) *lending {
	l := ch.spare.Swap(nil)
	if l == nil {
		l = &lending{given: make(chan struct{}, 1)}
		l.back = func(error) { l.given <- struct{}{} }
	}
	l.bytes = body
	l.state.Store(lendingQueued)
	return l
}

// take tells the loop, once, whether the message is still to be sent.
func (l *lending) take() bool { return l.state.CompareAndSwap(lendingQueued, lendingTaken) }

// giveUp is told by the loop that the message will not be sent, or that its sending
// met a panic. False: its publisher had withdrawn it.
func (l *lending) giveUp(err error) bool {
	switch {
	case l.take() || l.state.Load() == lendingTaken:
		l.back(err) // from here on it may be another's
	case l.state.Load() == lendingWithdrawn:
		return false
	}
	return true
}

// awaitBack waits until the publisher's memory is not needed any more. The error is
// the context's when the message was not sent for that reason. That the connection or
// the channel has ended is told by the outcome, where there is one.
func (ch *Channel) awaitBack(ctx context.Context, l *lending) error {
	select {
	case <-l.given:
	case <-ctx.Done():
		if l.state.CompareAndSwap(lendingQueued, lendingWithdrawn) {
			l.bytes = nil // what is queued still refers to l
			return ch.conn.whileLost(ctx.Err())
		}
		body := l.bytes
		// A connection that has ended has given it back, or is about to.
		_ = ch.conn.live.Load().AddCallbackThreadsafe(func(cc *core.Conn) { cc.CopyLoans(body) })
		<-l.given
	}
	l.bytes = nil
	ch.spare.Store(l)
	return nil
}

// publishOrLend has core copy a body, or lends it.
func (ch *Channel) publishOrLend(p *core.Publishing, l *lending) (seq uint64, err error) {
	if l == nil {
		return ch.core.Publish(p)
	}
	l.state.Store(lendingLent)
	if seq, err = ch.core.PublishLoan(p, l.back); err != nil {
		l.back(err)
	}
	return seq, err
}
