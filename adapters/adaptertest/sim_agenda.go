package adaptertest

import (
	"container/heap"
	"sync"
	"time"
)

// agenda runs a Sim's events, one at a time and in order. There is no goroutine:
// the timer of the first event runs it and sets itself for the next.
type agenda struct {
	mu      sync.Mutex // of the whole Sim
	events  eventHeap
	seq     uint64
	timer   *time.Timer
	running bool
	last    time.Time // when the last event ran
}

// Time in a bubble passes only when all its goroutines are blocked, so a pause of
// any length lets everything that an event set off come to rest.
const (
	// moment is how long after its time an event runs: behind the goroutines
	// whose own timers end then.
	moment = time.Nanosecond
	// apart is how far events are from one another, so that time passes although
	// somebody is never done. It is more than a moment, so that equal delays
	// after two events do not meet there.
	apart = time.Microsecond
)

// event is something that happens at a time.
type event struct {
	at    time.Time
	who   int    // orders events of one time, however they were added
	seq   uint64 // orders the rest
	run   func() // under mu, which it gives up while it calls a handler
	index int    // in the heap; negative when not in it
}

// add has run called, under mu, at a time or as soon as possible. The caller
// holds mu.
func (a *agenda) add(at time.Time, who int, run func()) *event {
	a.seq++
	e := &event{at: later(at, time.Now()), who: who, seq: a.seq, run: run}
	heap.Push(&a.events, e)
	if e.index == 0 {
		a.arm()
	}
	return e
}

// remove takes an event back, if it has not run. The caller holds mu.
func (a *agenda) remove(e *event) {
	if e != nil && e.index >= 0 {
		heap.Remove(&a.events, e.index)
	}
}

// arm sets the timer for the first event.
func (a *agenda) arm() {
	if a.running || len(a.events) == 0 {
		return
	}
	wait := time.Until(later(a.events[0].at.Add(moment), a.last.Add(apart)))
	if a.timer == nil {
		a.timer = time.AfterFunc(wait, a.step)
	} else {
		a.timer.Reset(wait)
	}
}

// step is the timer's function. The timer may have been set for an event that is
// no more.
func (a *agenda) step() {
	a.mu.Lock()
	defer a.mu.Unlock()
	defer a.arm()
	now := time.Now()
	if a.running || len(a.events) == 0 || !a.events[0].at.Before(now) {
		return
	}
	e := heap.Pop(&a.events).(*event)
	a.running, a.last = true, now
	defer func() { a.running = false }() // also when a handler ends its goroutine, as t.Fatal does
	e.run()
}

// unlocked calls f without mu.
func (a *agenda) unlocked(f func()) {
	a.mu.Unlock()
	defer a.mu.Lock()
	f()
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

type eventHeap []*event

func (h eventHeap) Len() int { return len(h) }

func (h eventHeap) Less(i, j int) bool {
	a, b := h[i], h[j]
	switch {
	case !a.at.Equal(b.at):
		return a.at.Before(b.at)
	case a.who != b.who:
		return a.who < b.who
	default:
		return a.seq < b.seq
	}
}

func (h eventHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *eventHeap) Push(e any) {
	e.(*event).index = len(*h)
	*h = append(*h, e.(*event))
}

func (h *eventHeap) Pop() any {
	n := len(*h) - 1
	e := (*h)[n]
	(*h)[n] = nil
	*h = (*h)[:n]
	e.index = -1
	return e
}
