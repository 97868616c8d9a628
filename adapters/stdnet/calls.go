package stdnet

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/internal/instant"
)

// handlerCall names a call of the handler.
type handlerCall uint8

const (
	callOpen handlerCall = iota
	callData
	callWake
)

// call runs the handler in its turn, and sends what it wrote. The reader calls
// it: it writes what the kernel takes at once, since a goroutine that first has
// to be scheduled would make a round trip nearly twice as long, and leaves the rest
// to one.
func (t *transport) call(which handlerCall, p []byte) {
	t.takeTurn(which, p)
	if t.startFlush() && !t.flushSoon() {
		t.spawn((*transport).flushRest)
	}
}

// errGoexit is the panic of a handler that ended its goroutine, as t.Fatal does.
var errGoexit = errors.New("it ended its goroutine (runtime.Goexit)")

// takeTurn runs the handler, never while another call is running. A panic ends
// the transport and is what OnClose gets. False: the calls were over before.
func (t *transport) takeTurn(which handlerCall, p []byte) bool {
	t.turn.Lock()
	return t.endTurn(which, p)
}

// endTurn is takeTurn once the turn has come.
func (t *transport) endTurn(which handlerCall, p []byte) bool {
	defer t.turn.Unlock()
	if t.silent {
		return false
	}
	returned := false
	defer func() {
		switch v := recover(); {
		case v != nil:
			t.recovered(v)
		case !returned:
			t.recovered(errGoexit)
			if which != callWake {
				go t.read() // which was the goroutine's to do
			}
		}
	}()
	t.handle(which, p)
	returned = true
	return true
}

// recovered ends the transport after a panic of the handler.
func (t *transport) recovered(v any) {
	t.silent = true
	t.panicked = &adapters.PanicError{Value: v, Stack: debug.Stack()}
	t.Abort()
}

// handle makes a call of the handler.
func (t *transport) handle(which handlerCall, p []byte) {
	switch now := time.Now(); which {
	case callOpen:
		t.heard = instant.Of(now)
		t.h.OnOpen(t, now)
	case callData:
		since := t.heard
		t.heard = instant.Of(now)
		t.rested = t.heard >= since.Add(restAfter)
		if t.wanted() { // Close may have had its turn meanwhile
			t.h.OnData(p, now)
		}
	case callWake:
		t.waking.Store(wakeServed) // a Wake from here on gets a call of its own
		t.h.OnWake(now)
	}
}

// finish makes the last call.
func (t *transport) finish(cause error) {
	t.turn.Lock()
	defer t.turn.Unlock()
	t.silent = true
	if t.panicked != nil {
		cause = t.panicked
	}
	defer func() {
		if v := recover(); v != nil { // there is nobody left to tell but the process
			fmt.Fprintf(os.Stderr, "amqp: OnClose panicked: %v\n%s", v, debug.Stack())
		}
	}()
	t.h.OnClose(cause, time.Now())
}

// What waking can be.
const (
	wakeNone    int32 = iota
	wakeServed        // a goroutine is in wake, and will look for another Wake
	wakeWaiting       // it is, or is about to be, and OnWake is still to come
)

// Wake implements adapters.Transport.
func (t *transport) Wake() {
	if t.waking.Swap(wakeWaiting) == wakeNone {
		t.spawn((*transport).serve)
	}
}

// WakeHere implements adapters.Prompt.
func (t *transport) WakeHere() {
	switch {
	case t.waking.Swap(wakeWaiting) != wakeNone:
	case t.turn.TryLock():
		if t.endTurn(callWake, nil) && !t.endWake() {
			t.spawn((*transport).serve)
		}
	default:
		t.spawn((*transport).serve)
	}
}

// serve yields to those who are about to call Wake: what they queued is then handled,
// and written, as one batch.
func (t *transport) serve() {
	runtime.Gosched()
	t.wake()
}

// wake runs OnWake and writes, by turns, for as long as Wake is called meanwhile:
// what is queued during a turn is the batch of the next. One goroutine at a time is
// in it, and it never waits for the peer before it has left.
func (t *transport) wake() {
	for {
		if !t.takeTurn(callWake, nil) {
			return // and nobody follows
		}
		more := t.startFlush() && !t.flushSoon()
		if t.waking.CompareAndSwap(wakeServed, wakeNone) {
			if more {
				t.flushRest()
			}
			return
		}
		if more {
			t.spawn((*transport).flushRest)
		}
		runtime.Gosched()
	}
}

// endWake is what follows a turn of OnWake on a goroutine that is not the transport's.
// False: Wake was called meanwhile, and somebody must be in wake again.
func (t *transport) endWake() bool {
	if t.startFlush() && !t.flushSoon() {
		t.spawn((*transport).flushRest)
	}
	return t.waking.CompareAndSwap(wakeServed, wakeNone)
}

// spawn runs f on a goroutine that the loop's Done waits for, unless the
// transport is gone.
func (t *transport) spawn(f func(*transport)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.start(f)
}

// start is spawn, under mu.
func (t *transport) start(f func(*transport)) {
	if t.phase == phaseGone {
		return
	}
	t.loop.wg.Add(1)
	go t.done(f)
}

func (t *transport) done(f func(*transport)) {
	defer t.loop.wg.Done()
	f(t)
}

// SetWakeup implements adapters.Transport. The timer is wound after the call of the
// handler: inside, it would be what makes the goroutine's stack grow.
func (t *transport) SetWakeup(at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wakeAt, t.unwound = 0, true
	if !at.IsZero() {
		wait := time.Until(at)             // first: what passes until Now makes it late, not early
		t.wakeAt = instant.Now().Add(wait) // monotonic, which at need not be
	}
}

// wind sets the timer, under mu.
func (t *transport) wind() {
	if !t.unwound {
		return
	}
	t.unwound = false
	switch {
	case t.wakeAt == 0 || t.phase >= phaseAborted:
		if t.timer != nil {
			t.timer.Stop()
		}
	case t.timer == nil:
		t.timer = time.AfterFunc(t.wakeAt.Until(), t.fire)
	default:
		t.timer.Reset(t.wakeAt.Until())
	}
}

// fire is the timer's function, on a goroutine of its own. It may have been on its
// way when the wakeup was moved or disarmed.
func (t *transport) fire() {
	t.mu.Lock()
	due := t.wakeAt != 0 && instant.Now() >= t.wakeAt && t.phase < phaseGone
	if due {
		t.wakeAt = 0
		due = t.waking.Swap(wakeWaiting) == wakeNone // else a call is on its way
	}
	if due {
		t.loop.wg.Add(1)
	}
	t.mu.Unlock()
	if due {
		t.done((*transport).wake)
	}
}
