package adaptertest

import (
	"bytes"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/haypile/haypile/adapters"
)

// goroutine is the number of the goroutine that calls it.
func goroutine() string {
	buf := make([]byte, 64)
	buf = buf[:runtime.Stack(buf, false)]
	return string(bytes.Fields(buf)[1])
}

// testWakeStorm has many goroutines queue work and call Wake. Work that is never
// looked at is a Wake that was lost.
func testWakeStorm(t *trial) {
	const callers, each = 8, 4000
	var queued, seen atomic.Int64
	var inCall sync.Map // goroutines that are inside Wake
	all := make(chan struct{})
	p := &probe{}
	p.wake = func(time.Time) {
		if _, yes := inCall.Load(goroutine()); yes {
			p.report("OnWake on the stack of a caller of Wake")
		}
		if n := queued.Load(); seen.Swap(n) != n && n == callers*each {
			close(all)
		}
	}
	t.attach(p)
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			id := goroutine()
			for range each {
				queued.Add(1)
				inCall.Store(id, true)
				p.transport.Wake()
				inCall.Delete(id)
			}
		})
	}
	wg.Wait()
	t.await("OnWake after the last Wake", all)
}

// testSerial has input, Wake and the timer ask for calls at once; the probe
// finds those that overlap.
func testSerial(t *trial) {
	const pieces = 2000
	linger := func() {
		for range 3 {
			runtime.Gosched() // in the middle of a call: let another one begin
		}
	}
	n := 0
	whole := make(chan struct{})
	p := &probe{}
	p.data = func(b []byte) {
		linger()
		if n += len(b); n == pieces {
			close(whole)
		}
	}
	p.wake = func(time.Time) {
		linger()
		p.transport.SetWakeup(time.Now())
	}
	t.attach(p)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range pieces {
				p.transport.Wake()
				runtime.Gosched()
			}
		})
	}
	wg.Go(func() {
		for range pieces {
			p.peer.Write([]byte("x"))
		}
	})
	wg.Wait()
	t.await("all input", whole)
}

func testWakeEdges(t *trial) {
	woken := make(chan struct{}, 1)
	p := &probe{}
	p.wake = func(time.Time) {
		select {
		case woken <- struct{}{}:
		default:
		}
	}
	p.open = func() {
		p.transport.Wake()
		p.transport.Wake()
	}
	t.attach(p)
	t.await("OnWake after a Wake in OnOpen", woken)
	p.close = func(error) { p.transport.Wake() }
	p.run(func() { p.transport.Wake(); p.transport.Abort() })
	p.awaitEnd()
	for range 100 {
		p.transport.Wake()
	}
}

// testWakesInside calls Wake often inside one call. No OnWake can begin before
// that returns, so one answers all, beside one that may have been on its way.
func testWakesInside(t *trial) {
	const few = 10
	woken := make(chan struct{}, 1)
	answers := 0
	p := echo()
	t.attach(p)
	p.run(func() {
		p.mu.Lock()
		p.wake = func(time.Time) {
			answers++
			select {
			case woken <- struct{}{}:
			default:
			}
		}
		p.mu.Unlock()
		for range 1000 {
			p.transport.Wake()
		}
	})
	t.await("OnWake after many Wakes in one call", woken)
	p.echoes() // all that was on its way comes before, or between
	p.run(func() {
		if answers > few {
			t.Errorf("OnWake came %d times after 1000 Wakes in one call", answers)
		}
	})
}

// testWakeHere has many goroutines queue work and call WakeHere, which the handler
// does, too. What the probe finds are calls that overlap or nest.
func testWakeHere(t *trial) {
	const callers, each = 4, 5000
	var queued, seen atomic.Int64
	all := make(chan struct{})
	p := &probe{}
	p.open = func() { wakeHere(p.transport) }
	p.wake = func(time.Time) {
		n := queued.Load()
		if before := seen.Swap(n); before != n && n == callers*each {
			close(all)
		} else if before != n {
			wakeHere(p.transport)
		}
	}
	t.attach(p)
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range each {
				queued.Add(1)
				wakeHere(p.transport)
			}
		})
	}
	wg.Wait()
	t.await("OnWake after the last WakeHere", all)
	p.run(func() { p.transport.Abort() })
	p.awaitEnd()
	wakeHere(p.transport)
}

func wakeHere(t adapters.Transport) {
	if p, ok := t.(adapters.Prompt); ok {
		p.WakeHere()
	} else {
		t.Wake()
	}
}
