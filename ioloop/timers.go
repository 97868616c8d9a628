package ioloop

import (
	"container/heap"
	"time"
)

// Timeout is a timer, as CallLater returns it and RemoveTimeout takes it.
type Timeout struct {
	at      time.Time
	seq     uint64 // of its being set, for timers of one time
	fn      func()
	index   int // in the heap, counting from 1; 0 outside
	removed bool
}

// timers are a heap by time.
type timers struct {
	heap timerHeap
	seq  uint64
	due  []*Timeout
}

func (ts *timers) add(t *Timeout) {
	ts.seq++
	t.seq, t.removed = ts.seq, false
	heap.Push(&ts.heap, t)
}

func (ts *timers) remove(t *Timeout) {
	t.removed = true
	if t.index > 0 {
		heap.Remove(&ts.heap, t.index-1)
	}
}

// next is when the first is due, zero for none.
func (ts *timers) next() time.Time {
	if len(ts.heap) == 0 {
		return time.Time{}
	}
	return ts.heap[0].at
}

// runTimers runs those that are due when it begins. What they set anew has its
// turn in a later pass.
func (l *Loop) runTimers() {
	ts := &l.timers
	if len(ts.heap) == 0 {
		return
	}
	now := time.Now()
	for len(ts.heap) > 0 && !ts.heap[0].at.After(now) {
		ts.due = append(ts.due, heap.Pop(&ts.heap).(*Timeout))
	}
	for i, t := range ts.due {
		ts.due[i] = nil
		if !t.removed {
			l.guard(t.fn)
		}
	}
	ts.due = ts.due[:0]
}

type timerHeap []*Timeout

func (h timerHeap) Len() int { return len(h) }

func (h timerHeap) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].seq < h[j].seq
	}
	return h[i].at.Before(h[j].at)
}

func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i+1, j+1
}

func (h *timerHeap) Push(x any) {
	t := x.(*Timeout)
	*h = append(*h, t)
	t.index = len(*h)
}

func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	t.index = 0
	return t
}
