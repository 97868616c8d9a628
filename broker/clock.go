package broker

import (
	"container/heap"
	"time"
)

// alarm is something to be done when the broker's clock reaches a time.
type alarm struct {
	at    time.Time
	place int // in the heap, plus one; zero when it is not set
	ring  func(now time.Time)
}

// alarms is a heap by time.
type alarms []*alarm

func (a alarms) Len() int           { return len(a) }
func (a alarms) Less(i, j int) bool { return a[i].at.Before(a[j].at) }
func (a alarms) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].place, a[j].place = i+1, j+1
}

func (a *alarms) Push(x any) {
	*a = append(*a, x.(*alarm))
	(*a)[len(*a)-1].place = len(*a)
}

func (a *alarms) Pop() any {
	last := len(*a) - 1
	x := (*a)[last]
	(*a)[last] = nil
	*a = (*a)[:last]
	x.place = 0
	return x
}

// clock is the broker's time: the real one, moved forward by tests. It is under
// Broker.mu.
type clock struct {
	offset time.Duration
	alarms alarms
	timer  *time.Timer
	armed  time.Time // when the timer fires, by this clock; zero when it does not
}

func (c *clock) now() time.Time { return time.Now().Add(c.offset) }

// set has the alarm ring at a time, zero for never.
func (c *clock) set(a *alarm, at time.Time) {
	switch {
	case a.place == 0 && at.IsZero(), a.place != 0 && a.at.Equal(at):
	case a.place == 0:
		a.at = at
		heap.Push(&c.alarms, a)
	case at.IsZero():
		heap.Remove(&c.alarms, a.place-1)
	default:
		a.at = at
		heap.Fix(&c.alarms, a.place-1)
	}
}

// next is the alarm to ring by then, taken off; nil if there is none.
func (c *clock) next(by time.Time) *alarm {
	if len(c.alarms) == 0 || c.alarms[0].at.After(by) {
		return nil
	}
	return heap.Pop(&c.alarms).(*alarm)
}

// rearm sets the timer when something is to be done before it fires. One that
// fires early finds nothing to do.
func (b *Broker) rearm() {
	c := &b.clock
	if len(c.alarms) == 0 {
		return
	}
	at := c.alarms[0].at
	if !c.armed.IsZero() && !at.Before(c.armed) {
		return
	}
	c.armed = at
	wait := at.Sub(c.now())
	if c.timer == nil {
		c.timer = time.AfterFunc(wait, b.onTimer)
		return
	}
	c.timer.Reset(wait)
}

func (b *Broker) onTimer() {
	b.mu.Lock()
	b.clock.armed = time.Time{}
	b.ringUntil(b.clock.now())
	b.finish(nil)
}

// ringUntil rings what is due, in order, each with its consequences.
func (b *Broker) ringUntil(by time.Time) {
	for a := b.clock.next(by); a != nil; a = b.clock.next(by) {
		a.ring(b.clock.now())
		b.settle()
	}
}

// Advance moves the broker's clock forward: messages and queues expire as if the
// time had passed, in order, one thing leading to the other. What clients and the
// network do by their own clocks, such as heartbeats, stays as it is. A negative
// duration changes nothing. Any goroutine may call it; when it returns, all that
// was due has happened.
func (b *Broker) Advance(d time.Duration) {
	b.mu.Lock()
	for target := b.clock.now().Add(max(d, 0)); ; {
		step := target
		if len(b.clock.alarms) > 0 && b.clock.alarms[0].at.Before(target) {
			step = b.clock.alarms[0].at
		}
		b.clock.offset += max(step.Sub(b.clock.now()), 0)
		b.ringUntil(b.clock.now())
		if !step.Before(target) {
			break
		}
	}
	b.clock.armed = time.Time{}
	b.finish(nil)
}

// Now is the time by the broker's clock. Any goroutine may call it.
func (b *Broker) Now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.clock.now()
}

// stopClock forgets every alarm.
func (b *Broker) stopClock() {
	for _, a := range b.clock.alarms {
		a.place = 0
	}
	b.clock.alarms = nil
	if b.clock.timer != nil {
		b.clock.timer.Stop()
	}
	b.clock.armed = time.Time{}
}
