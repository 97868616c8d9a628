package adaptertest

import "time"

// alarm is a probe that is told of every OnWake since its wakeup was set.
type alarm struct {
	*probe
	calls chan time.Time
}

func (t *trial) alarm() *alarm {
	t.Helper()
	return &alarm{probe: t.attach(&probe{}), calls: make(chan time.Time, 100)}
}

func (a *alarm) set(at time.Time) {
	a.t.Helper()
	a.run(func() {
		for len(a.calls) > 0 {
			<-a.calls // of the time before
		}
		a.mu.Lock()
		a.wake = func(now time.Time) {
			select {
			case a.calls <- now:
			default: // enough are on record
			}
		}
		a.mu.Unlock()
		a.transport.SetWakeup(at)
	})
}

func (a *alarm) setIn(d time.Duration) (at time.Time) {
	a.t.Helper()
	at = time.Now().Add(d)
	a.set(at)
	return at
}

// comes waits for the wakeup. An OnWake before its time may be spurious, and then
// one at the time follows; a timer that was early is spent.
func (a *alarm) comes(what string, at time.Time) {
	a.t.Helper()
	first := ""
	for late := time.After(bound); ; {
		select {
		case now := <-a.calls:
			if !now.Before(at) {
				return
			}
			if first == "" {
				first = ", but " + at.Sub(now).String() + " early"
			}
		case err := <-a.ended:
			a.ended <- err
			a.t.Fatalf("%s: the transport has ended with %v", what, err)
		case <-late:
			a.t.Fatalf("%s: no OnWake within %s at the time or after%s", what, bound, first)
		}
	}
}

// staysQuiet arms a wakeup that must not come. One OnWake may be spurious; one
// each time is what arm has caused. Arming that took longer than until the first
// time it set shows nothing.
func (a *alarm) staysQuiet(what string, other *alarm, arm func()) {
	a.t.Helper()
	const enough, most = 5, 20
	early := 0
	for range most {
		begin := time.Now()
		arm()
		slow := time.Since(begin) >= soon
		other.ticks()
		if slow {
			continue
		}
		if len(a.calls) == 0 {
			return
		}
		if early++; early == enough {
			a.t.Errorf("%s: OnWake came early, %d times of %d", what, early, early)
			return
		}
	}
}

// soon is when a wakeup would come that must not: before the first of ticks.
const soon = 10 * time.Millisecond

// ticks waits for several wakeups, each set when the one before has come, so that
// a loop gets to whatever was due soon.
func (a *alarm) ticks() {
	a.t.Helper()
	for range 3 {
		a.comes("another transport's", a.setIn(2*soon))
	}
}

func testSetWakeup(t *trial) {
	a, other := t.alarm(), t.alarm()
	a.comes("soon", a.setIn(30*time.Millisecond))
	a.set(time.Now().Add(-time.Hour))
	a.comes("in the past", time.Time{})
	a.setIn(1000 * time.Hour)
	a.comes("moved nearer", a.setIn(40*time.Millisecond))
	a.staysQuiet("moved away", other, func() {
		a.setIn(soon)
		a.setIn(time.Hour)
	})
	a.comes("moved away and back", a.setIn(soon))
	a.staysQuiet("disarmed", other, func() {
		a.setIn(soon)
		a.set(time.Time{})
	})
	a.comes("disarmed and set anew", a.setIn(soon))
}

// testFarWakeup: numbers of milliseconds may be too large for 32 bits, numbers of
// nanoseconds for 64.
func testFarWakeup(t *trial) {
	a, other := t.alarm(), t.alarm()
	for what, days := range map[string]int{"two days ahead": 2, "a month ahead": 30, "two months ahead": 60, "a thousand years ahead": 365_000} {
		a.staysQuiet(what, other, func() { a.set(time.Now().AddDate(0, 0, days)) })
	}
	a.comes("moved nearer", a.setIn(soon))
}
