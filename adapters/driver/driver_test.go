package driver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/adapters/internal/fakebroker"
	"github.com/haypile/haypile/adapters/stdnet"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

const bound = 2 * time.Minute

// newLoop makes a loop that is closed, and checked for leaks, at the test's end.
func newLoop(t *testing.T) adapters.Loop {
	before := runtime.NumGoroutine()
	loop := stdnet.New()
	t.Cleanup(func() {
		loop.Close()
		<-loop.Done()
		eventually(t, "goroutines gone", func() bool { return runtime.NumGoroutine() <= before })
	})
	return loop
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(bound); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			t.Fatalf("not within %s: %s\n%s", bound, what, buf[:runtime.Stack(buf, true)])
		}
	}
}

// friendly is the address of a broker that opens connections and answers closes.
func friendly(t *testing.T) string {
	return fakebroker.Start(t, func(_ int, s *fakebroker.Session) {
		if s.Handshake() {
			s.Serve(nil)
		}
	})
}

// params wait for a broker at one of the addresses as long as the tests do.
func params(t *testing.T, addrs ...string) driver.Params {
	t.Helper()
	p, err := driver.ParseURI("amqp://guest:hunter2@" + strings.Join(addrs, ",") + "/")
	if err != nil {
		t.Fatal(err)
	}
	p.DialTimeout, p.StackTimeout, p.Client.HandshakeTimeout, p.Client.CloseTimeout = bound, bound, bound, bound
	return p
}

func dial(t *testing.T, p driver.Params, h core.ClientHandler) *driver.Conn {
	t.Helper()
	d, err := driver.Dial(context.Background(), newLoop(t), p, h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		d.Close()
		<-d.Done()
	})
	return d
}

func TestCallbacksRunOnceAndInOrderOfEachGoroutine(t *testing.T) {
	const callers, each = 8, 10_000
	d := dial(t, params(t, friendly(t)), nil)
	last := make([]int, callers) // on the loop
	var wg, ran sync.WaitGroup
	ran.Add(callers * each)
	for who := range callers {
		wg.Go(func() {
			for n := range each {
				err := d.AddCallbackThreadsafe(func(*core.Conn) {
					if last[who] != n {
						t.Errorf("goroutine %d: callback %d after %d", who, n, last[who])
					}
					last[who]++
					ran.Done()
				})
				if err != nil {
					t.Error(err)
					ran.Done()
				}
			}
		})
	}
	wg.Wait()
	ran.Wait()
}

func TestAcceptedCallbacksRunEvenWhenTheConnectionEnds(t *testing.T) {
	for range 20 {
		d := dial(t, params(t, friendly(t)), nil)
		var accepted, ran atomic.Int64
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for d.AddCallbackThreadsafe(func(*core.Conn) { ran.Add(1) }) == nil {
					accepted.Add(1)
				}
			})
		}
		d.Close()
		wg.Wait()
		<-d.Done()
		if accepted.Load() != ran.Load() {
			t.Fatalf("%d callbacks accepted, %d ran", accepted.Load(), ran.Load())
		}
		if err := d.AddCallbackThreadsafe(func(*core.Conn) {}); !errors.Is(err, driver.ErrClosed) || !errors.Is(err, core.ErrClosed) || !errors.Is(err, net.ErrClosed) {
			t.Errorf("after the end: %v", err)
		}
	}
}

func TestCallbackAddedByACallbackRunsLater(t *testing.T) {
	d := dial(t, params(t, friendly(t)), nil)
	var order []string
	done := make(chan struct{})
	d.AddCallbackThreadsafe(func(*core.Conn) {
		order = append(order, "first")
		d.AddCallbackThreadsafe(func(*core.Conn) { order = append(order, "third"); close(done) })
		order = append(order, "second")
	})
	<-done
	if got := strings.Join(order, " "); got != "first second third" {
		t.Errorf("order is %s", got)
	}
}

func TestCallbacksWaitForTheConnection(t *testing.T) {
	go1 := make(chan struct{})
	addr := fakebroker.Start(t, func(_ int, s *fakebroker.Session) {
		<-go1
		if s.Handshake() {
			s.Serve(nil)
		}
	})
	d := driver.Open(context.Background(), newLoop(t), params(t, addr), nil)
	open := make(chan bool, 2)
	d.AddCallbackThreadsafe(func(c *core.Conn) { open <- c.IsOpen() })
	d.CallLater(0, func(c *core.Conn) { open <- c.IsOpen() })
	close(go1)
	for range 2 {
		if !<-open {
			t.Error("it ran before the connection was open")
		}
	}
	d.Close()
	<-d.Done()
	if d.Err() != nil {
		t.Error(d.Err())
	}
}

func TestTimersRunInOrderAndNeverEarly(t *testing.T) {
	d := dial(t, params(t, friendly(t)), nil)
	type timer struct{ earliest, latest time.Time } // of the time it is set to
	var ran []*timer
	all := make(chan struct{})
	set := func(after time.Duration) *driver.Timer {
		at := &timer{earliest: time.Now().Add(after)}
		set := d.CallLater(after, func(*core.Conn) {
			if time.Now().Before(at.earliest) {
				t.Errorf("the one after %s is early", after)
			}
			for _, before := range ran {
				if before.earliest.After(at.latest) {
					t.Errorf("the one after %s ran behind a later one", after)
				}
			}
			if ran = append(ran, at); len(ran) == 3 {
				close(all)
			}
		})
		at.latest = time.Now().Add(after)
		return set
	}
	d.AddCallbackThreadsafe(func(*core.Conn) { // where none can run before all are set
		set(60 * time.Millisecond)
		set(20 * time.Millisecond)
		stopped := set(30 * time.Millisecond)
		set(40 * time.Millisecond)
		if !stopped.Stop() || stopped.Stop() {
			t.Error("Stop is true once")
		}
	})
	<-all
	fired := make(chan struct{})
	late := d.CallLater(0, func(*core.Conn) { close(fired) })
	<-fired
	if late.Stop() {
		t.Error("Stop after it ran is true")
	}
}

// events notes what a handler hears.
type events struct {
	core.NopClient
	mu   sync.Mutex
	seen []string
	open func(c *core.Conn)
}

func (e *events) note(s string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seen = append(e.seen, s)
}

func (e *events) OnOpen(c *core.Conn) {
	e.note("open")
	if e.open != nil {
		e.open(c)
	}
}
func (e *events) OnClose(_ *core.Conn, err error) { e.note(fmt.Sprint("close ", err)) }

func TestEveryAttemptIsInTheErrorAndNoneInTheHandler(t *testing.T) {
	silent := fakebroker.Start(t, func(_ int, s *fakebroker.Session) { io.Copy(io.Discard, s) })
	cut := fakebroker.Start(t, func(int, *fakebroker.Session) {})
	p := params(t, "nowhere.invalid", cut, silent)
	p.Client.HandshakeTimeout = 200 * time.Millisecond // which dialling may exceed
	p.Attempts, p.RetryDelay = 2, time.Millisecond
	h := &events{}
	_, err := driver.Dial(context.Background(), newLoop(t), p, h)
	var e *driver.DialError
	if !errors.As(err, &e) || len(e.Attempts) != 6 || e.Cause != nil {
		t.Fatalf("error is %v", err)
	}
	var dns *net.DNSError
	if !errors.As(err, &dns) || !errors.Is(err, core.ErrHandshakeTimeout) {
		t.Errorf("causes are missing in %v", err)
	}
	for i, want := range []driver.Phase{driver.PhaseResolve, driver.PhaseHandshake, driver.PhaseHandshake} {
		if e.Attempts[i].Phase != want {
			t.Errorf("attempt %d failed at %s", i, e.Attempts[i].Phase)
		}
	}
	for _, part := range []string{"nowhere.invalid:5672", cut, silent, "looking up", "handshake timed out"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is missing in %v", part, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") || len(h.seen) > 0 {
		t.Errorf("handler heard %v, error is %v", h.seen, err)
	}
}

func TestRefusedCredentialsAreNotTriedAgain(t *testing.T) {
	var tries atomic.Int32
	addr := fakebroker.Start(t, func(_ int, s *fakebroker.Session) {
		tries.Add(1)
		io.ReadFull(s, make([]byte, 8))
		s.Send(0, &wire.ConnectionStart{VersionMinor: 9, Mechanisms: "PLAIN"})
		s.Expect(wire.ConnectionStartOkID)
		s.Send(0, &wire.ConnectionClose{ReplyCode: wire.AccessRefused, ReplyText: "ACCESS_REFUSED"})
		s.Expect(wire.ConnectionCloseOkID)
	})
	for retry, want := range map[bool]int32{false: 1, true: 4} {
		tries.Store(0)
		p := params(t, addr, addr)
		p.Attempts, p.RetryDelay, p.RetryAuth = 2, time.Millisecond, retry
		_, err := driver.Dial(context.Background(), newLoop(t), p, nil)
		if !errors.Is(err, wire.AccessRefused) || tries.Load() != want {
			t.Errorf("RetryAuth %v: %d attempts, %v", retry, tries.Load(), err)
		}
	}
}

func TestContextAndCloseEndTheAttemptsInEveryPhase(t *testing.T) {
	silent := fakebroker.Start(t, func(_ int, s *fakebroker.Session) { io.Copy(io.Discard, s) })
	hang := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	for name, change := range map[string]func(p *driver.Params){
		"dialling":  func(p *driver.Params) { p.DialContext = hang },
		"handshake": func(*driver.Params) {},
		"pause": func(p *driver.Params) {
			p.DialContext = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no") }
			p.Attempts, p.RetryDelay = driver.Unlimited, time.Hour
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := params(t, silent)
			change(&p)
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()
			if _, err := driver.Dial(ctx, newLoop(t), p, nil); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("context: %v", err)
			}
			h := &events{}
			d := driver.Open(context.Background(), newLoop(t), p, h)
			d.AddCallbackThreadsafe(func(*core.Conn) { t.Error("callback of a connection that never opened") })
			d.Close()
			<-d.Done()
			if err := d.Err(); !errors.Is(err, driver.ErrClosed) || len(h.seen) > 0 {
				t.Errorf("Close: %v, handler heard %v", err, h.seen)
			}
		})
	}
}

func TestLostConnectionIsTold(t *testing.T) {
	addr := fakebroker.Start(t, func(_ int, s *fakebroker.Session) { s.Handshake() })
	h := &events{}
	d, err := driver.Dial(context.Background(), newLoop(t), params(t, addr), h)
	if err != nil {
		t.Fatal(err)
	}
	<-d.Done()
	var e *core.TransportError
	if !errors.As(d.Err(), &e) || !strings.Contains(e.Error(), addr) {
		t.Errorf("ended with %v", d.Err())
	}
	if want := []string{"open", "close " + d.Err().Error()}; !slices.Equal(h.seen, want) {
		t.Errorf("handler heard %v", h.seen)
	}
}

func TestPanicEndsTheConnectionWithItsCause(t *testing.T) {
	h := &events{open: func(*core.Conn) { panic("in OnOpen") }}
	_, err := driver.Dial(context.Background(), newLoop(t), params(t, friendly(t)), h)
	var e *adapters.PanicError
	if !errors.As(err, &e) || e.Value != "in OnOpen" || len(h.seen) != 2 {
		t.Errorf("Dial returned %v, handler heard %v", err, h.seen)
	}
	d := dial(t, params(t, friendly(t)), nil)
	d.AddCallbackThreadsafe(func(*core.Conn) { panic("in a callback") })
	<-d.Done()
	if !errors.As(d.Err(), &e) || e.Value != "in a callback" {
		t.Errorf("ended with %v", d.Err())
	}
}

func TestCallbacksBesideOneThatPanicsRunAllTheSame(t *testing.T) {
	d := dial(t, params(t, friendly(t)), nil)
	begun, queued := make(chan struct{}), make(chan struct{})
	var ran []int
	add := func(n int, panics bool) {
		if err := d.AddCallbackThreadsafe(func(*core.Conn) {
			if ran = append(ran, n); panics {
				panic("in a callback")
			}
		}); err != nil {
			t.Error(err)
		}
	}
	d.AddCallbackThreadsafe(func(*core.Conn) {
		close(begun)
		<-queued
	})
	<-begun
	for n := range 6 {
		add(n, n%2 == 1) // the first panic ends the connection, the next comes after the end
	}
	close(queued)
	<-d.Done()
	if !slices.Equal(ran, []int{0, 1, 2, 3, 4, 5}) {
		t.Errorf("of six callbacks, these ran: %v", ran)
	}
}

func TestAbortSaysNothing(t *testing.T) {
	last := make(chan wire.Method, 1)
	addr := fakebroker.Start(t, func(_ int, s *fakebroker.Session) {
		s.Handshake()
		m, _, _ := s.Next()
		last <- m
	})
	d := dial(t, params(t, addr), nil)
	d.Abort()
	<-d.Done()
	if m := <-last; m != nil {
		t.Errorf("the broker got %s", m.ID())
	}
}

func TestNotifyCoalescesIntoOnDrain(t *testing.T) {
	var drained atomic.Int64
	p := params(t, friendly(t))
	p.OnDrain = func(*core.Conn, time.Time) { drained.Add(1) }
	d := dial(t, p, nil)
	const calls = 10_000
	for range calls {
		d.Notify()
	}
	before := drained.Load()
	eventually(t, "drained", func() bool { return drained.Load() > 0 })
	d.Notify()
	eventually(t, "drained after the last", func() bool { return drained.Load() > before })
	if n := drained.Load(); n > calls {
		t.Errorf("drained %d times", n)
	}
}

func TestNotifyHereIsNotifyFromAnywhere(t *testing.T) {
	var drained atomic.Int64
	var d *driver.Conn
	p := params(t, friendly(t))
	p.OnDrain = func(*core.Conn, time.Time) {
		if drained.Add(1) == 1 {
			d.NotifyHere() // in a call: it has to wait for its turn
		}
	}
	d = dial(t, p, nil)
	d.NotifyHere()
	eventually(t, "drained again", func() bool { return drained.Load() > 1 })
	d.Close()
	<-d.Done()
	before := drained.Load()
	d.NotifyHere()
	if n := drained.Load(); n != before {
		t.Errorf("drained after the end")
	}
}

func TestPausedConnectionStillWrites(t *testing.T) {
	got := make(chan uint64, 1)
	addr := fakebroker.Start(t, func(_ int, s *fakebroker.Session) {
		s.Handshake()
		s.Serve(func(m wire.Method, ch uint16, _ []byte) {
			if ack, ok := m.(*wire.BasicAck); ok {
				s.Send(ch, &wire.ChannelFlow{Active: true})
				got <- ack.DeliveryTag
			}
		})
	})
	d := dial(t, params(t, addr), nil)
	flows := make(chan bool, 10)
	var ch *core.Channel
	d.AddCallbackThreadsafe(func(c *core.Conn) {
		ch, _ = c.OpenChannel(flowListener{on: flows})
		d.Pause(driver.PauseInbox)
	})
	d.AddCallbackThreadsafe(func(*core.Conn) { ch.Ack(7, false) })
	if tag := <-got; tag != 7 {
		t.Errorf("acked %d", tag)
	}
	select {
	case <-flows:
		t.Error("input was read while paused")
	case <-time.After(50 * time.Millisecond):
	}
	d.AddCallbackThreadsafe(func(*core.Conn) { d.Resume(driver.PauseInbox) })
	<-flows
}

type flowListener struct {
	core.NopChannel
	on chan bool
}

func (f flowListener) OnFlow(_ *core.Channel, active bool) { f.on <- active }

func TestLargeOutputPassesTheWaterMarks(t *testing.T) {
	got := make(chan int, 1)
	addr := fakebroker.Start(t, func(_ int, s *fakebroker.Session) {
		s.Handshake()
		s.Serve(func(m wire.Method, _ uint16, body []byte) { got <- len(body) })
	})
	d := dial(t, params(t, addr), nil)
	const size = 12 << 20
	d.AddCallbackThreadsafe(func(c *core.Conn) {
		ch, _ := c.OpenChannel(nil)
		if _, err := ch.Publish(&core.Publishing{Body: make([]byte, size)}); err != nil {
			t.Error(err)
		}
	})
	if n := <-got; n != size {
		t.Errorf("%d bytes arrived", n)
	}
	if d.LocalAddr() == nil || d.RemoteAddr().String() != addr {
		t.Errorf("addresses %v and %v", d.LocalAddr(), d.RemoteAddr())
	}
}

func TestBrokerThatStopsReadingCannotHoldUpTheEnd(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	addr := fakebroker.Start(t, func(_ int, s *fakebroker.Session) {
		s.Handshake()
		<-stop
	})
	p := params(t, addr)
	p.Client.CloseTimeout = 50 * time.Millisecond
	p.Client.MaxBuffered = core.Unbounded
	d, err := driver.Dial(context.Background(), newLoop(t), p, nil)
	if err != nil {
		t.Fatal(err)
	}
	d.AddCallbackThreadsafe(func(c *core.Conn) {
		ch, _ := c.OpenChannel(nil)
		ch.Publish(&core.Publishing{Body: make([]byte, 64<<20)})
	})
	d.Close()
	<-d.Done()
	if !errors.Is(d.Err(), core.ErrCloseTimeout) {
		t.Errorf("ended with %v", d.Err())
	}
}
