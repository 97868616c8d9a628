package ioloop

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/internal/stream"
)

// Loop is an event loop. Make one with New, run it with Start, end it with
// Close.
type Loop struct {
	poller  poller
	report  func(error)
	asleep  atomic.Bool // the loop waits, or is about to look whether it must
	pending atomic.Bool // the queue is not empty, or stopping is set

	mu       sync.Mutex // everything up to here
	queue    []task
	running  bool
	stopping bool
	closed   bool
	done     chan struct{}

	// of the loop's goroutine
	awake    func() bool // pending's, made once: a method value is an allocation
	batch    []task      // a queue that is worked on; its memory is used again
	events   []event
	unpolled int        // passes since the poller was asked
	silent   int        // passes since there was a callback, up to mostSilent
	handlers []*handler // by descriptor
	gen      uint32
	timers   timers
	alarms   stream.Alarms // of transports
	buffer   []byte        // that transports read into
}

// task is something to be done on the loop: a callback, or something about a
// transport, for which a func would be an allocation.
type task struct {
	fn   func()
	t    *transport
	what transportTask
}

// Option changes what New makes.
type Option func(*options)

type options struct {
	poller Poller
	report func(error)
}

// WithPoller chooses how the loop waits. Default: the first of Pollers.
func WithPoller(p Poller) Option { return func(o *options) { o.poller = p } }

// WithErrorHandler sets what is told of panics in callbacks, timers and handlers
// (*adapters.PanicError, with the stack). It runs on the loop. Default: print to
// standard error.
func WithErrorHandler(f func(error)) Option { return func(o *options) { o.report = f } }

// New returns a loop that is not running. Errors: ErrUnsupported for a poller
// that this system does not have, or what the system says when it has no
// descriptors left. Close it when it is no longer used, also when it was never
// started.
func New(opts ...Option) (*Loop, error) {
	o := options{report: printError}
	if all := Pollers(); len(all) > 0 {
		o.poller = all[0]
	}
	for _, opt := range opts {
		opt(&o)
	}
	if o.report == nil {
		o.report = printError
	}
	p, err := newPoller(o.poller)
	if err != nil {
		return nil, fmt.Errorf("amqp: ioloop: %w", err)
	}
	l := &Loop{poller: p, report: o.report, done: make(chan struct{})}
	l.awake = l.pending.Load
	return l, nil
}

func printError(err error) {
	fmt.Fprintln(os.Stderr, err)
	if p, ok := err.(*adapters.PanicError); ok {
		os.Stderr.Write(p.Stack)
	}
}

// Start runs the loop in the calling goroutine until Stop, or Close, is called,
// and returns nil then. It can be called again after Stop. A Stop before it makes
// it return at once. Errors: ErrRunning, ErrClosed, or what the poller failed
// with; the loop is then as after Stop, or has ended if Close was called, too.
func (l *Loop) Start() error {
	l.mu.Lock()
	switch {
	case l.closed:
		l.mu.Unlock()
		return ErrClosed
	case l.running:
		l.mu.Unlock()
		return ErrRunning
	}
	l.running = true
	l.mu.Unlock()
	return l.run()
}

// run makes passes until it is told to stop, or one fails.
func (l *Loop) run() error {
	var err error
	for {
		over, closed := l.over(err != nil)
		if closed {
			l.tearDown()
		}
		if over {
			return err
		}
		if err = l.pass(); err != nil {
			err = fmt.Errorf("amqp: ioloop: %w", err)
		}
	}
}

// over tells whether the run is: it failed, or Stop or Close was called. Close
// left the tear-down to a loop that runs, be it for the last time.
func (l *Loop) over(failed bool) (over, closed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return true, true
	}
	if l.stopping || failed {
		l.stopping, l.running = false, false
		l.pending.Store(len(l.queue) > 0)
		return true, false
	}
	return false, false
}

// pass is one turn of everything.
func (l *Loop) pass() error {
	l.runCallbacks()
	l.runTimers()
	l.alarms.Expire()
	events, err := l.wait()
	for _, ev := range events {
		l.dispatch(ev)
	}
	return err
}

// mostUnpolled is how many passes in a row may have callbacks alone, while these
// keep coming.
const mostUnpolled = 4

// mostSilent is how many passes without a callback tell that none is to be expected:
// to yield for one then costs the scheduler more than most events cost the loop.
const mostSilent = 16

// wait waits for events. What is queued before asleep is set is seen by awake;
// what is queued after it wakes the poller.
func (l *Loop) wait() ([]event, error) {
	until := l.next()
	if !l.pending.Load() && l.silent < mostSilent {
		runtime.Gosched() // those who answer what was just done spare the loop its sleep
	}
	if l.pending.Load() && l.unpolled < mostUnpolled && l.hasCallbacks() {
		l.unpolled++
		return nil, nil // a system call for each callback would cost more than most callbacks
	}
	l.unpolled = 0
	l.asleep.Store(true)
	events, err := l.poller.wait(l.events[:0], until, l.awake)
	woken := !l.asleep.Swap(false)
	l.events = events
	if woken {
		runtime.Gosched() // those who are about to add a callback do so first, and a batch forms
	}
	return events, err
}

// next is when the loop must look at its timers, zero for never.
func (l *Loop) next() time.Time {
	until, alarm := l.timers.next(), l.alarms.Next().Time()
	if until.IsZero() || !alarm.IsZero() && alarm.Before(until) {
		return alarm
	}
	return until
}

// hasCallbacks tells that there is more to do than to stop.
func (l *Loop) hasCallbacks() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue) > 0 && !l.stopping && !l.closed
}

// rouse makes a loop that waits look at its queue.
func (l *Loop) rouse() {
	if l.asleep.CompareAndSwap(true, false) {
		l.poller.wake()
	}
}

// Stop makes Start return after its current pass. Any goroutine may call it,
// before Start as well.
func (l *Loop) Stop() {
	l.mu.Lock()
	l.stopping = true
	l.pending.Store(true)
	l.mu.Unlock()
	l.rouse()
}

// Close ends the loop: callbacks that were accepted still run, transports are
// aborted, timers and handlers are dropped, Start returns. It returns at once and
// may be called by any goroutine, also on the loop and more than once. File
// descriptors with handlers stay open: they are their owners'. It always returns
// nil.
func (l *Loop) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	l.pending.Store(true)
	if l.running {
		l.rouse()
		return nil
	}
	l.running = true
	go l.tearDown()
	return nil
}

// Done is closed when a loop that was closed has ended: the last transport is
// closed, and nothing runs any more.
func (l *Loop) Done() <-chan struct{} { return l.done }

// tearDown ends everything. Nothing is accepted any more.
func (l *Loop) tearDown() {
	l.runCallbacks()
	for _, h := range l.handlers {
		if h != nil && h.t != nil {
			h.t.Abandon()
		}
	}
	l.handlers = nil
	l.timers = timers{}
	if err := l.poller.close(); err != nil {
		l.report(fmt.Errorf("amqp: ioloop: %w", err))
	}
	close(l.done)
}

// guard runs f and reports a panic.
func (l *Loop) guard(f func()) {
	defer func() {
		if v := recover(); v != nil {
			l.report(&adapters.PanicError{Value: v, Stack: debug.Stack()})
		}
	}()
	f()
}

// AddCallbackThreadsafe runs fn on the loop, in the next pass, in the order of
// the calls. Any goroutine may call it, also on the loop, and before Start; many
// calls cost one wake-up. ErrClosed after Close: fn will not run.
func (l *Loop) AddCallbackThreadsafe(fn func()) error { return l.add(task{fn: fn}) }

// AddCallback is AddCallbackThreadsafe, by the name that those on the loop look
// for.
func (l *Loop) AddCallback(fn func()) error { return l.add(task{fn: fn}) }

func (l *Loop) add(t task) error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return ErrClosed
	}
	l.queue = append(l.queue, t)
	first := len(l.queue) == 1
	if first {
		l.pending.Store(true)
	}
	l.mu.Unlock()
	if first {
		l.rouse()
	}
	return nil
}

// runCallbacks runs those that were queued before it began.
func (l *Loop) runCallbacks() {
	l.mu.Lock()
	l.batch, l.queue = l.queue, l.batch[:0]
	l.pending.Store(l.stopping || l.closed)
	l.mu.Unlock()
	if len(l.batch) == 0 {
		l.silent = min(l.silent+1, mostSilent)
		return
	}
	l.silent = 0
	for i, t := range l.batch {
		l.batch[i] = task{}
		if t.t != nil {
			t.t.do(t.what)
		} else {
			l.guard(t.fn)
		}
	}
	if cap(l.batch) > keepTasks {
		l.batch = nil
	}
}

const keepTasks = 4096 // a queue that was longer is not kept

// CallLater runs fn on the loop after d, never earlier; at once, in the next
// pass, for 0 or less. To be called on the loop, or before Start.
func (l *Loop) CallLater(d time.Duration, fn func()) *Timeout {
	t := &Timeout{at: time.Now().Add(d), fn: fn}
	l.timers.add(t)
	return t
}

// RemoveTimeout keeps a timer from running, also one that is due already. It
// changes nothing for one that ran or was removed. On the loop, or before Start.
func (l *Loop) RemoveTimeout(t *Timeout) {
	if t != nil {
		l.timers.remove(t)
	}
}
