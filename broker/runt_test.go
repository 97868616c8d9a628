package broker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/broker"
	"github.com/haypile/haypile/broker/wirefault"
	"github.com/haypile/haypile/core/wire"
)

// fakeT is a test whose end the real one decides.
type fakeT struct {
	testing.TB
	cleanups []func()
	failed   bool
	logged   strings.Builder
	errors   chan string // nil has the real test fail
}

func (t *fakeT) Cleanup(f func())                { t.cleanups = append(t.cleanups, f) }
func (t *fakeT) Failed() bool                    { return t.failed }
func (t *fakeT) Logf(format string, args ...any) { fmt.Fprintf(&t.logged, format+"\n", args...) }

func (t *fakeT) Errorf(format string, args ...any) {
	if t.errors == nil {
		t.TB.Errorf(format, args...)
		return
	}
	t.errors <- fmt.Sprintf(format, args...)
}

func (t *fakeT) end() {
	for i := len(t.cleanups) - 1; i >= 0; i-- {
		t.cleanups[i]()
	}
}

// confirmOne is the life of a short test: to the first confirmed message.
func confirmOne(t testing.TB, url string, opts ...blocking.Option) {
	ctx := context.Background()
	conn, err := blocking.Dial(ctx, url, append(opts, blocking.WithRecovery(nil))...)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	ch, err := conn.Channel(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "q", Durable: true}); err != nil {
		t.Fatal(err)
	}
	if err := ch.PublishConfirm(ctx, &blocking.Publishing{RoutingKey: "q", Body: []byte("hello")}); err != nil {
		t.Fatal(err)
	}
}

func TestAThousandBrokersLeaveNothing(t *testing.T) {
	checkLeaks(t)
	for i := range 1000 {
		fake := &fakeT{TB: t}
		b := broker.RunT(fake)
		confirmOne(t, memoryURL, inMemory(b))
		if i%20 == 0 { // since the system keeps the port of each for a minute
			confirmOne(t, b.URL())
		}
		fake.end()
	}
}

// The time from nothing to the first confirmed message over TCP, and back.
func BenchmarkRunT(b *testing.B) {
	for b.Loop() {
		fake := &fakeT{TB: b}
		confirmOne(b, broker.RunT(fake).URL())
		fake.end()
	}
}

func TestConnectionsLeftOpenAreClosedAtTheEnd(t *testing.T) {
	checkLeaks(t)
	fake := &fakeT{TB: t}
	b := broker.RunT(fake)
	conn, err := blocking.Dial(testContext(t), b.URL(), blocking.WithRecovery(nil), blocking.WithName("left"))
	if err != nil {
		t.Fatal(err)
	}
	b.WireOf("left").Stall(wirefault.Out) // a fault does not outlast the test either
	fake.end()
	<-conn.Done()
	var e *blocking.Error
	if !errors.As(conn.Err(), &e) || e.Code != wire.ConnectionForced {
		t.Errorf("it ended with %v", conn.Err())
	}
	if _, err := b.DialContext(testContext(t), "", ""); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial after the end: %v", err)
	}
}

func TestAFailedTestShowsTheJournal(t *testing.T) {
	for _, failed := range []bool{true, false} {
		fake := &fakeT{TB: t, failed: failed}
		confirmOne(t, broker.RunT(fake).URL())
		fake.end()
		if got := strings.Contains(fake.logged.String(), " <- basic.publish {"); got != failed {
			t.Errorf("failed: %t; the log is\n%s", failed, fake.logged.String())
		}
	}
}

func TestABrokerRunsInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		b := broker.RunT(t)
		ch := openChannel(t, b)
		if _, err := ch.QueueDeclare(t.Context(), &blocking.QueueDeclare{
			Queue: "brief", Durable: true, Arguments: blocking.Table{"x-message-ttl": int32(3_600_000)},
		}); err != nil {
			t.Fatal(err)
		}
		mustPublish(t, ch, "brief", "hello")
		if took := time.Since(begin); took != 0 {
			t.Errorf("that took %s", took)
		}
		time.Sleep(59 * time.Minute)
		if err := b.WaitReady(t.Context(), "brief", 1); err != nil {
			t.Error(err)
		}
		if err := b.WaitEmpty(t.Context(), "brief"); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took != time.Hour {
			t.Errorf("it expired after %s", took)
		}
	})
}

func TestTheAddressStaysAcrossARestart(t *testing.T) {
	b := broker.RunT(t)
	url, ctx := b.URL(), testContext(t)
	ch := openChannel(t, b)
	makeQueues(t, ch, "durable")
	if err := b.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if b.URL() != url {
		t.Errorf("it is %s now, and was %s", b.URL(), url)
	}
	again := openChannel(t, b) // in memory, too
	if _, err := again.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "durable", Passive: true}); err != nil {
		t.Error(err)
	}
	if err := b.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if err := b.Start(); err != nil {
		t.Fatal(err)
	}
	makeQueues(t, openChannel(t, b), "durable")
}

func TestAdvanceExpiresMessages(t *testing.T) {
	b := broker.RunT(t)
	ch, ctx := openChannel(t, b), testContext(t)
	makeQueues(t, ch, "q")
	if err := ch.PublishConfirm(ctx, &blocking.Publishing{RoutingKey: "q", Properties: &blocking.Properties{Expiration: "86400000"}}); err != nil {
		t.Fatal(err)
	}
	b.Advance(23 * time.Hour) // and the test adds what it takes
	if s := b.State(); s.Queue("/", "q").Ready != 1 {
		t.Error("it expired early")
	}
	b.Advance(time.Hour)
	if s := b.State(); s.Queue("/", "q").Ready != 0 {
		t.Error("it did not expire")
	}
}
