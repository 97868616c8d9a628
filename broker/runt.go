package broker

import (
	"context"

	"github.com/haypile/haypile/adapters/stdnet"
	"github.com/haypile/haypile/broker/wirefault"
)

// TB is what RunT needs of a test: *testing.T, *testing.B and *testing.F have it.
type TB interface {
	Helper()
	Cleanup(f func())
	Failed() bool
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

const testJournal = 1000 // entries

// RunT starts a broker for one test and stops it when the test ends, closing the
// connections that are left, and faults of their wires with them; a test that failed
// then logs the broker's Journal. It listens nowhere before URL is called; it can be
// spoiled by Wire, and keeps a journal of 1000 methods. Waits end by themselves, as
// WaitFor says. Options change the rest.
//
// In a bubble of testing/synctest, call RunT inside it, connect by DialContext, close
// the connections before the bubble ends, and do not call URL: waiting for a real
// socket stops the bubble's time.
//
// What clients do wrong does not fail the test, for it may be what is tested. A rule
// of On that panics, can never act, or whose reply cannot be sent does.
func RunT(t TB, opts ...Option) *Broker {
	t.Helper()
	opts = append([]Option{WithJournal(testJournal), withLazyListener}, opts...)
	s := defaults()
	for _, o := range opts {
		o(&s)
	}
	inner := s.loop
	if inner == nil {
		inner = stdnet.New()
	}
	loop, wrapped := inner.(*wirefault.Loop)
	if !wrapped {
		loop = wirefault.New(inner)
	}
	misuse := func(err error) { t.Errorf("%v", err) }
	b, err := Start(append(opts, WithLoop(loop), withMisuse(misuse), withPatience(patienceOf(t)))...)
	if err != nil {
		t.Fatalf("%v", err)
		return nil // for a TB whose Fatalf returns
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), waitBound) // for clients to answer a close
		defer cancel()
		for _, c := range loop.Conns() {
			c.Clear()
		}
		if err := b.Stop(ctx); err != nil {
			t.Errorf("amqp: broker: connections did not end: %v", err)
		}
		if s.loop == nil {
			loop.Close()
			<-loop.Done()
		}
		if t.Failed() {
			b.logJournal(t)
		}
	})
	return b
}

func (b *Broker) logJournal(t TB) {
	entries := b.Journal()
	t.Logf("the last %d methods of the broker:", len(entries))
	for i := range entries {
		t.Logf("%s", entries[i].String())
	}
}
