package driver

import (
	"container/heap"
	"time"

	"github.com/haypile/haypile/core"
)

// Timer is a callback that CallLater set.
type Timer struct {
	conn  *Conn
	at    time.Time
	seq   uint64 // equal times run in the order they were set
	index int    // in the heap; negative when not in it
	fn    func(*core.Conn)
}

// CallLater has fn run on the loop when delay has passed since this call, never
// earlier; a delay of zero or less means as soon as possible. Before the
// connection is open it waits for that. When the connection ends first, fn does
// not run.
func (d *Conn) CallLater(delay time.Duration, fn func(c *core.Conn)) *Timer {
	t := &Timer{conn: d, at: time.Now().Add(max(delay, 0)), index: -1, fn: fn}
	d.mu.Lock()
	earliest := false
	if !d.ended {
		if d.timers == nil {
			d.timers = &timers{}
		}
		earliest = d.timers.add(t)
	}
	live := d.live
	d.mu.Unlock()
	if earliest && live != nil {
		live.transport.Wake() // to set the wakeup anew
	}
	return t
}

// Stop keeps the callback from running. It is false when that is too late or
// Stop was called before.
func (t *Timer) Stop() bool {
	t.conn.mu.Lock()
	defer t.conn.mu.Unlock()
	if t.index < 0 {
		return false
	}
	heap.Remove(&t.conn.timers.heap, t.index)
	return true
}

// timers wait for their time, the earliest first.
type timers struct {
	heap timerHeap
	seq  uint64
}

// add puts a timer in and tells whether it is the next to run.
func (ts *timers) add(t *Timer) bool {
	t.seq = ts.seq
	ts.seq++
	heap.Push(&ts.heap, t)
	return t.index == 0
}

// due takes out the callbacks whose time has come.
func (ts *timers) due(now time.Time) (callbacks []func(*core.Conn)) {
	if ts == nil {
		return nil
	}
	for len(ts.heap) > 0 && !now.Before(ts.heap[0].at) {
		callbacks = append(callbacks, heap.Pop(&ts.heap).(*Timer).fn)
	}
	return callbacks
}

// drop takes all of them out.
func (ts *timers) drop() {
	if ts == nil {
		return
	}
	for _, t := range ts.heap {
		t.index = -1
	}
	ts.heap = nil
}

// next is when the first is due, zero for never.
func (ts *timers) next() time.Time {
	if ts == nil || len(ts.heap) == 0 {
		return time.Time{}
	}
	return ts.heap[0].at
}

type timerHeap []*Timer

func (h timerHeap) Len() int { return len(h) }

func (h timerHeap) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].seq < h[j].seq
	}
	return h[i].at.Before(h[j].at)
}

func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *timerHeap) Push(t any) {
	t.(*Timer).index = len(*h)
	*h = append(*h, t.(*Timer))
}

func (h *timerHeap) Pop() any {
	last := len(*h) - 1
	t := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	t.index = -1
	return t
}
