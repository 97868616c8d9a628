package ioloop_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/ioloop"
)

// everyPoller runs a test on each poller of the system.
func everyPoller(t *testing.T, f func(t *testing.T, opt ioloop.Option)) {
	for _, p := range ioloop.Pollers() {
		t.Run(p.String(), func(t *testing.T) { f(t, ioloop.WithPoller(p)) })
	}
}

// newLoop is a loop that does not run yet and is closed in the end.
func newLoop(t *testing.T, opts ...ioloop.Option) *ioloop.Loop {
	t.Helper()
	l, err := ioloop.New(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.Close()
		wait(t, l.Done())
	})
	return l
}

// run runs the loop here until somebody stops it.
func run(t *testing.T, l *ioloop.Loop) {
	t.Helper()
	if err := l.Start(); err != nil {
		t.Fatal(err)
	}
}

func wait(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(time.Minute):
		t.Fatal("not within a minute")
	}
}

// pipe is two ends, of which reading one may block unless there is something.
func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Close()
		w.Close()
	})
	return r, w
}

func TestCallbacksRunInOrderAndNewOnesLater(t *testing.T) {
	everyPoller(t, func(t *testing.T, opt ioloop.Option) {
		l := newLoop(t, opt)
		var got []string
		note := func(s string) func() { return func() { got = append(got, s) } }
		l.AddCallback(note("1"))
		l.AddCallbackThreadsafe(func() {
			got = append(got, "2")
			l.AddCallbackThreadsafe(func() {
				got = append(got, "4")
				l.Stop()
			})
		})
		l.AddCallback(note("3"))
		run(t, l)
		if !slices.Equal(got, []string{"1", "2", "3", "4"}) {
			t.Errorf("ran %v", got)
		}
	})
}

func TestCallbacksFromManyGoroutinesAreNotLost(t *testing.T) {
	everyPoller(t, func(t *testing.T, opt ioloop.Option) {
		const goroutines, each = 8, 20_000
		l := newLoop(t, opt)
		next := make([]int, goroutines)
		left := goroutines * each
		var wg sync.WaitGroup
		for g := range goroutines {
			wg.Go(func() {
				for i := range each {
					err := l.AddCallbackThreadsafe(func() {
						if next[g] != i {
							t.Errorf("goroutine %d: callback %d instead of %d", g, i, next[g])
						}
						next[g]++
						if left--; left == 0 {
							l.Stop()
						}
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		run(t, l)
		wg.Wait()
	})
}

// One callback at a time, so that each finds the loop asleep or falling asleep.
func TestEveryCallbackWakesTheLoop(t *testing.T) {
	everyPoller(t, func(t *testing.T, opt ioloop.Option) {
		l := start(t, opt)
		defer l.Close()
		for range 5000 {
			ran := make(chan struct{})
			if err := l.AddCallbackThreadsafe(func() { close(ran) }); err != nil {
				t.Fatal(err)
			}
			wait(t, ran)
		}
	})
}

func TestStartAndStop(t *testing.T) {
	everyPoller(t, func(t *testing.T, opt ioloop.Option) {
		l := newLoop(t, opt)
		l.Stop()
		run(t, l) // returns at once
		l.AddCallback(func() {
			if err := l.Start(); !errors.Is(err, ioloop.ErrRunning) {
				t.Errorf("second Start: %v", err)
			}
		})
		l.AddCallback(l.Stop)
		run(t, l)
		ended := make(chan error)
		go func() { ended <- l.Start() }()
		ran := make(chan struct{})
		l.AddCallbackThreadsafe(func() { close(ran) })
		wait(t, ran)
		l.Stop() // from elsewhere
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestAcceptedCallbacksRunAndOthersAreRefused(t *testing.T) {
	everyPoller(t, func(t *testing.T, opt ioloop.Option) {
		l := newLoop(t, opt)
		ran := 0
		for range 10 {
			l.AddCallbackThreadsafe(func() { ran++ })
		}
		l.Close()
		l.Close()
		wait(t, l.Done())
		if ran != 10 {
			t.Errorf("%d of 10 accepted callbacks ran", ran)
		}
		if err := l.AddCallbackThreadsafe(func() {}); !errors.Is(err, ioloop.ErrClosed) {
			t.Errorf("AddCallbackThreadsafe after Close: %v", err)
		}
		if err := l.Start(); !errors.Is(err, ioloop.ErrClosed) {
			t.Errorf("Start after Close: %v", err)
		}
	})
}

func TestCloseOnTheLoopEndsStart(t *testing.T) {
	everyPoller(t, func(t *testing.T, opt ioloop.Option) {
		l := newLoop(t, opt)
		l.AddCallback(func() { l.Close() })
		run(t, l)
		wait(t, l.Done())
	})
}

func TestTimersRunInOrderAndNeverEarly(t *testing.T) {
	everyPoller(t, func(t *testing.T, opt ioloop.Option) {
		l := newLoop(t, opt)
		type timer struct{ earliest, latest time.Time } // of the time it is set to
		var ran []timer
		for i, d := range []time.Duration{30, 10, 20, 10, 0, -5} {
			at := timer{earliest: time.Now().Add(d * time.Millisecond)}
			l.CallLater(d*time.Millisecond, func() {
				if time.Now().Before(at.earliest) {
					t.Errorf("timer %d is early", i)
				}
				for _, before := range ran {
					if before.earliest.After(at.latest) {
						t.Errorf("timer %d ran too late", i)
					}
				}
				ran = append(ran, at)
			})
			at.latest = time.Now().Add(d * time.Millisecond)
		}
		l.CallLater(40*time.Millisecond, l.Stop)
		run(t, l)
		if len(ran) != 6 {
			t.Errorf("%d of 6 ran", len(ran))
		}
	})
}

func TestTimersOfOneTimeRunAsTheyWereSet(t *testing.T) {
	l := newLoop(t)
	var got []int
	for i := range 100 {
		l.CallLater(0, func() { got = append(got, i) })
	}
	l.CallLater(time.Millisecond, l.Stop)
	time.Sleep(2 * time.Millisecond) // all of them are due in one pass
	run(t, l)
	if !slices.IsSorted(got) || len(got) != 100 {
		t.Errorf("ran %v", got)
	}
}

func TestTimersCanBeRemoved(t *testing.T) {
	l := newLoop(t)
	var got []string
	var own, due, never *ioloop.Timeout
	own = l.CallLater(0, func() {
		got = append(got, "own")
		l.RemoveTimeout(own) // itself
		l.RemoveTimeout(due) // is due in this pass
		l.RemoveTimeout(never)
		l.RemoveTimeout(nil)
	})
	due = l.CallLater(0, func() { got = append(got, "due") })
	never = l.CallLater(time.Millisecond, func() { got = append(got, "never") })
	l.CallLater(20*time.Millisecond, l.Stop)
	run(t, l)
	if !slices.Equal(got, []string{"own"}) {
		t.Errorf("ran %v", got)
	}
}

// A timer that sets itself anew at once does not keep callbacks and descriptors
// from their turn.
func TestTimersFromTimersAreFair(t *testing.T) {
	everyPoller(t, func(t *testing.T, opt ioloop.Option) {
		l := newLoop(t, opt)
		r, w := pipe(t)
		w.Write([]byte("x"))
		spins := 0
		var spin func()
		spin = func() { spins++; l.CallLater(0, spin) }
		spin()
		if err := l.AddHandler(int(r.Fd()), ioloop.Read, func(int, ioloop.Events) { l.AddCallback(l.Stop) }); err != nil {
			t.Fatal(err)
		}
		run(t, l)
		if spins == 0 {
			t.Error("the timer did not run")
		}
		l.RemoveHandler(int(r.Fd()))
	})
}

func TestHandlersAreToldOfReadinessForAsLongAsItLasts(t *testing.T) {
	everyPoller(t, func(t *testing.T, opt ioloop.Option) {
		l := newLoop(t, opt)
		r, w := pipe(t)
		w.Write([]byte("abc"))
		var got []byte
		err := l.AddHandler(int(r.Fd()), ioloop.Read, func(fd int, events ioloop.Events) {
			if fd != int(r.Fd()) || events&ioloop.Read == 0 {
				t.Errorf("told %s of descriptor %d", events, fd)
			}
			one := make([]byte, 1)
			n, _ := r.Read(one)
			if n == 0 { // the writer is gone
				l.RemoveHandler(fd)
				l.Stop()
				return
			}
			if got = append(got, one...); len(got) == 3 {
				w.Close()
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		run(t, l)
		if string(got) != "abc" {
			t.Errorf("read %q", got)
		}
	})
}

func TestWritableDescriptorsAreTold(t *testing.T) {
	everyPoller(t, func(t *testing.T, opt ioloop.Option) {
		l := newLoop(t, opt)
		_, w := pipe(t)
		fd := int(w.Fd())
		told := 0
		err := l.AddHandler(fd, 0, func(_ int, events ioloop.Events) {
			if events != ioloop.Write {
				t.Errorf("told %s", events)
			}
			if told++; told == 3 {
				if err := l.UpdateHandler(fd, 0); err != nil { // rests
					t.Error(err)
				}
				l.CallLater(10*time.Millisecond, l.Stop)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		l.CallLater(10*time.Millisecond, func() {
			if told != 0 {
				t.Error("told without having asked")
			}
			if err := l.UpdateHandler(fd, ioloop.Write); err != nil {
				t.Error(err)
			}
		})
		run(t, l)
		if told != 3 {
			t.Errorf("told %d times", told)
		}
		l.RemoveHandler(fd)
	})
}

// Of two descriptors that are ready in one pass, the handler that comes first
// removes the other, and another of the same number takes its place.
func TestRemovedHandlersAreNotCalled(t *testing.T) {
	everyPoller(t, func(t *testing.T, opt ioloop.Option) {
		l := newLoop(t, opt)
		r1, w1 := pipe(t)
		r2, w2 := pipe(t)
		w1.Write([]byte("x"))
		w2.Write([]byte("x"))
		fds := [2]int{int(r1.Fd()), int(r2.Fd())}
		calls, stale := 0, 0
		replaced := false
		on := func(fd int, _ ioloop.Events) {
			calls++
			if replaced {
				stale++
				return
			}
			replaced = true
			other := fds[0]
			if fd == other {
				other = fds[1]
			}
			if err := l.RemoveHandler(other); err != nil {
				t.Error(err)
			}
			// Not the old handler's event, but one of its own, in a later pass.
			if err := l.AddHandler(other, ioloop.Read, func(int, ioloop.Events) { l.RemoveHandler(other); l.Stop() }); err != nil {
				t.Error(err)
			}
			l.RemoveHandler(fd)
		}
		for _, fd := range fds {
			if err := l.AddHandler(fd, ioloop.Read, on); err != nil {
				t.Fatal(err)
			}
		}
		run(t, l)
		if calls != 1 || stale != 0 {
			t.Errorf("%d calls, %d of a handler that was removed", calls, stale)
		}
	})
}

func TestMisuseOfHandlers(t *testing.T) {
	everyPoller(t, func(t *testing.T, opt ioloop.Option) {
		l := newLoop(t, opt)
		r, _ := pipe(t)
		fd := int(r.Fd())
		if err := l.AddHandler(fd, ioloop.Read, func(int, ioloop.Events) {}); err != nil {
			t.Fatal(err)
		}
		if err := l.AddHandler(fd, ioloop.Read, func(int, ioloop.Events) {}); !errors.Is(err, ioloop.ErrHandled) {
			t.Errorf("a second handler: %v", err)
		}
		if err := l.RemoveHandler(fd); err != nil {
			t.Error(err)
		}
		for _, err := range []error{l.RemoveHandler(fd), l.UpdateHandler(fd, ioloop.Read)} {
			if !errors.Is(err, ioloop.ErrNotHandled) {
				t.Errorf("no handler: %v", err)
			}
		}
	})
}

func TestPollersThatAreNotThereAreRefused(t *testing.T) {
	if _, err := ioloop.New(ioloop.WithPoller(99)); !errors.Is(err, ioloop.ErrUnsupported) {
		t.Error(err)
	}
}

func TestNamesOfPollersAreOneWord(t *testing.T) {
	for _, p := range ioloop.Pollers() {
		if strings.ContainsAny(p.String(), ", ()") {
			t.Errorf("%q", p)
		}
	}
}

func TestAPanicIsReportedAndHurtsNobodyElse(t *testing.T) {
	everyPoller(t, func(t *testing.T, opt ioloop.Option) {
		cause := errors.New("oops")
		var reported []error
		l := newLoop(t, opt, ioloop.WithErrorHandler(func(err error) { reported = append(reported, err) }))
		r, w := pipe(t)
		w.Write([]byte("x"))
		ran := 0
		l.AddCallback(func() { panic(cause) })
		l.AddCallback(func() { ran++ })
		l.CallLater(0, func() { panic(cause) })
		l.CallLater(0, func() { ran++ })
		fd := int(r.Fd())
		l.AddHandler(fd, ioloop.Read, func(int, ioloop.Events) {
			l.RemoveHandler(fd)
			l.AddCallback(l.Stop)
			panic(cause)
		})
		run(t, l)
		if ran != 2 || len(reported) != 3 {
			t.Errorf("%d others ran, reported %v", ran, reported)
		}
		for _, err := range reported {
			var p *adapters.PanicError
			if !errors.As(err, &p) || !errors.Is(err, cause) || !strings.Contains(string(p.Stack), "loop_test.go") {
				t.Errorf("reported %v", err)
			}
		}
	})
}

// Wake-ups coalesce: what is added while the loop is busy costs none.
func TestBatchesForm(t *testing.T) {
	l := start(t)
	defer l.Close()
	var passes atomic.Int64
	var busy sync.WaitGroup
	busy.Add(1)
	l.AddCallbackThreadsafe(busy.Wait)
	last := make(chan struct{})
	for i := range 1000 {
		l.AddCallbackThreadsafe(func() {
			if i == 0 {
				l.AddCallback(func() { passes.Add(1); close(last) })
			}
			if passes.Load() > 0 {
				t.Error("a callback of the batch ran after the next pass began")
			}
		})
	}
	busy.Done()
	wait(t, last)
}

func ExampleLoop() {
	loop, err := ioloop.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer loop.Close()
	loop.CallLater(time.Millisecond, func() {
		fmt.Println("a timer")
		go loop.AddCallbackThreadsafe(func() {
			fmt.Println("a callback from another goroutine")
			loop.Stop()
		})
	})
	if err := loop.Start(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// a timer
	// a callback from another goroutine
}
