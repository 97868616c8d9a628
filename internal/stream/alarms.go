package stream

import "github.com/haypile/haypile/internal/instant"

// Alarms are the times for which the transports of a loop are armed, the earliest
// first. It belongs to the loop, as the transports do.
type Alarms struct {
	heap []alarm
	due  []*Transport
}

// alarm is in the heap with its time, so that comparing touches nothing else.
type alarm struct {
	at instant.Instant
	t  *Transport
}

// Set replaces a transport's time; none takes it out.
func (a *Alarms) Set(t *Transport, at instant.Instant) {
	i := int(t.alarm) - 1
	switch {
	case i < 0 && at == 0:
	case i < 0:
		a.heap = append(a.heap, alarm{})
		a.up(len(a.heap)-1, alarm{at, t})
	case at == 0:
		a.take(i)
	default:
		a.place(i, alarm{at, t})
	}
}

// Next is when the first is due.
func (a *Alarms) Next() instant.Instant {
	if len(a.heap) == 0 {
		return 0
	}
	return a.heap[0].at
}

// Expire calls Expired of those that are due when it begins, up to mostExpired. What
// they set has its turn in a later call.
func (a *Alarms) Expire() {
	if len(a.heap) == 0 {
		return
	}
	for now := instant.Now(); len(a.heap) > 0 && len(a.due) < mostExpired && a.heap[0].at <= now; {
		a.due = append(a.due, a.take(0))
	}
	for i, t := range a.due {
		a.due[i] = nil
		t.Expired()
	}
	a.due = a.due[:0]
}

// mostExpired bounds what a call does, so that the sockets of a loop have their turn
// between the many heartbeats that come due together.
const mostExpired = 64

// take takes the i-th out.
func (a *Alarms) take(i int) *Transport {
	t, last := a.heap[i].t, len(a.heap)-1
	moved := a.heap[last]
	a.heap[last] = alarm{}
	a.heap = a.heap[:last]
	if t.alarm = 0; i < last {
		a.place(i, moved)
	}
	return t
}

// place puts x where i was, or wherever it belongs.
func (a *Alarms) place(i int, x alarm) {
	if i > 0 && x.at < a.heap[(i-1)/2].at {
		a.up(i, x)
		return
	}
	for {
		child := 2*i + 1
		if child >= len(a.heap) {
			break
		}
		if right := child + 1; right < len(a.heap) && a.heap[right].at < a.heap[child].at {
			child = right
		}
		if x.at <= a.heap[child].at {
			break
		}
		a.put(i, a.heap[child])
		i = child
	}
	a.put(i, x)
}

func (a *Alarms) up(i int, x alarm) {
	for i > 0 {
		parent := (i - 1) / 2
		if a.heap[parent].at <= x.at {
			break
		}
		a.put(i, a.heap[parent])
		i = parent
	}
	a.put(i, x)
}

func (a *Alarms) put(i int, x alarm) {
	a.heap[i] = x
	x.t.alarm = int32(i + 1)
}
