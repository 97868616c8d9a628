package adaptertest_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/adaptertest"
	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// A broker that sends little and often is read in lots, none of which waits for
// longer than the budget.
func TestLatencyBudgetGathersSmallReads(t *testing.T) {
	const (
		messages = 1000
		apart    = 100 * time.Microsecond
		budget   = 5 * time.Millisecond
	)
	for name, c := range map[string]struct {
		budget time.Duration
		lots   int // at most
	}{
		"without a budget": {0, messages},
		"with a budget":    {budget, messages*int(apart)/int(budget) + 1},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, adaptertest.SimConfig{}, func(t *testing.T, sim *adaptertest.Sim) {
				serveOn(t, sim, address)
				p := params(t, sim, address)
				p.LatencyBudget = c.budget
				e := echo(t, sim, p)
				for range messages {
					e.publish()
					time.Sleep(apart)
				}
				time.Sleep(c.budget + time.Millisecond)
				lots, got := e.arrivals()
				if got != messages || len(lots) > c.lots || c.budget == 0 && len(lots) < messages {
					t.Errorf("%d messages came in %d lots", got, len(lots))
				}
				closeAndCheck(t, e.conn)
			})
		})
	}
}

// Nothing waits for longer than the budget, and heartbeats do not mind it.
func TestLatencyBudgetBoundsTheWait(t *testing.T) {
	inBubble(t, adaptertest.SimConfig{}, func(t *testing.T, sim *adaptertest.Sim) {
		serveOn(t, sim, address)
		p := params(t, sim, address+"?heartbeat=1")
		p.LatencyBudget = time.Second
		e := echo(t, sim, p)
		for range 100 {
			before := time.Now()
			e.publish()
			most := p.LatencyBudget + time.Millisecond // for the way there and back
			time.Sleep(most + 1)
			if lots, _ := e.arrivals(); len(lots) == 0 || lots[len(lots)-1].Sub(before) > most {
				t.Fatalf("published at %v, what came came at %v", before, lots)
			}
		}
		closeAndCheck(t, e.conn)
	})
}

// echoed is a connection that consumes what it publishes.
type echoed struct {
	t    *testing.T
	conn *driver.Conn
	ch   *core.Channel

	mu  sync.Mutex
	at  []time.Time // when something came
	got int
}

func echo(t *testing.T, sim *adaptertest.Sim, p driver.Params) *echoed {
	t.Helper()
	conn, err := driver.Dial(t.Context(), sim, p, nil)
	if err != nil {
		t.Fatal(err)
	}
	e := &echoed{t: t, conn: conn}
	ready := make(chan error, 1)
	if err := conn.AddCallbackThreadsafe(func(cc *core.Conn) {
		var err error
		if e.ch, err = cc.OpenChannel(nil); err == nil {
			err = e.ch.Consume(&wire.BasicConsume{Queue: "q", NoAck: true}, e.note, func(_ *wire.BasicConsumeOk, err error) { ready <- err })
		}
		if err != nil {
			ready <- err
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := <-ready; err != nil {
		t.Fatal(err)
	}
	time.Sleep(p.LatencyBudget) // the rest after the handshake
	return e
}

func (e *echoed) publish() {
	if err := e.conn.AddCallbackThreadsafe(func(*core.Conn) {
		if _, err := e.ch.Publish(&core.Publishing{RoutingKey: "q"}); err != nil {
			e.t.Error(err)
		}
	}); err != nil {
		e.t.Error(err)
	}
}

func (e *echoed) note(*core.Delivery) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now := time.Now(); len(e.at) == 0 || !now.Equal(e.at[len(e.at)-1]) {
		e.at = append(e.at, now)
	}
	e.got++
}

// arrivals is at which times how many messages came.
func (e *echoed) arrivals() ([]time.Time, int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.at), e.got
}
