package test

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
)

// beating is an interval that processes which share a busy machine can keep.
const beating = "heartbeat=5"

// deathTime is when a connection without heartbeats would be dead: the broker
// gives up after two intervals of silence, we after one and five seconds.
const deathTime = 14 * time.Second

// What only time shows, side by side.
func TestHeartbeats(t *testing.T) {
	checkLeaks(t) // of all of them
	for name, run := range map[string]func(t *testing.T){
		"a connection that does nothing lives":                  idle,
		"work for longer than the interval is acked at its end": longWork,
		"a consumer that takes nothing keeps its connection":    fullInbox,
		"a broker that falls silent is given up":                silentBroker,
		"a close that is not answered ends in time":             unansweredClose,
		"a latency budget costs nothing but time":               latencyBudget,
	} {
		t.Run(name, func(t *testing.T) {
			leakChecked.Store(t, true) // the others are still at work when this one ends
			t.Parallel()
			run(t)
		})
	}
}

func idle(t *testing.T) {
	conn := dial(t, beating)
	ch := channel(t, conn)
	select {
	case <-conn.Done():
		t.Fatal(conn.Err())
	case <-time.After(deathTime):
	}
	queue(t, ch)
}

func longWork(t *testing.T) {
	conn := dial(t, beating)
	ch := channel(t, conn)
	ctx := testContext(t)
	q := queue(t, ch)
	for range 3 {
		publish(t, ch, &blocking.Publishing{RoutingKey: q})
	}
	var working sync.WaitGroup
	n := 0
	for d, err := range ch.Consume(ctx, &blocking.Consume{Queue: q}) {
		if err != nil {
			t.Fatal(err)
		}
		acked := make(chan error, 1)
		working.Go(func() {
			<-time.After(deathTime) // the work
			if err := conn.AddCallbackThreadsafe(func() { acked <- d.Ack() }); err != nil {
				acked <- err
			}
			if err := <-acked; err != nil {
				t.Error(err)
			}
		})
		if n++; n == 3 {
			working.Wait()
			break
		}
	}
	if err := ch.Close(ctx); err != nil { // which requeues what is not acked
		t.Fatal(err)
	}
	if n := ready(t, channel(t, conn), q); n != 0 {
		t.Errorf("%d messages are left in the queue", n)
	}
}

func fullInbox(t *testing.T) {
	const total = 3000 // several times what an inbox takes
	conn := dial(t, beating)
	out, in := channel(t, dial(t, "")), channel(t, conn)
	q := queue(t, in)
	body := make([]byte, 4096)
	publish(t, out, &blocking.Publishing{RoutingKey: q})
	n := 0
	for _, err := range in.Consume(testContext(t), &blocking.Consume{Queue: q, NoAck: true}) {
		if err != nil {
			t.Fatalf("after %d messages: %v", n, err)
		}
		if n == 0 {
			for range total - 1 {
				if err := out.Publish(testContext(t), &blocking.Publishing{RoutingKey: q, Body: body}); err != nil {
					t.Fatal(err)
				}
			}
			<-time.After(deathTime)
		}
		if n++; n == total {
			break
		}
	}
}

func silentBroker(t *testing.T) {
	addr, silence := silenced(t, broker(t))
	conn := dialURL(t, with(reach(t, nil, addr), beating))
	ch := channel(t, conn)
	_, ended := consume(t, ch, &blocking.Consume{Queue: queue(t, ch)})
	silence()
	<-conn.Done()
	for _, err := range []error{conn.Err(), ch.Err(), <-ended} {
		if !errors.Is(err, blocking.ErrHeartbeat) {
			t.Errorf("ended with %v", err)
		}
		want(t, err, addr)
	}
}

func unansweredClose(t *testing.T) {
	addr, silence := silenced(t, broker(t))
	conn := dialURL(t, reach(t, nil, addr))
	silence()
	if err := conn.Close(testContext(t)); !errors.Is(err, blocking.ErrCloseTimeout) {
		t.Errorf("close: %v", err)
	}
}

// silenced passes bytes between clients and the broker's listener until silence
// is called: from then on it takes all and passes nothing, not even the end.
func silenced(t *testing.T, to string) (addr string, silence func()) {
	var silent atomic.Bool
	pass := func(to, from net.Conn) {
		buf := make([]byte, 4096)
		for {
			n, err := from.Read(buf)
			if err != nil {
				return
			}
			if !silent.Load() {
				to.Write(buf[:n]) // should it fail, reading does, too
			}
		}
	}
	addr = serve(t, func(client net.Conn) {
		server, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			defer server.Close()
			pass(server, client)
		}()
		pass(client, server)
		if silent.Load() {
			<-gone
		}
	})
	return addr, func() { silent.Store(true) }
}

// latencyBudget has a connection that reads once in a second at most confirm, consume
// and ack, and then do nothing.
func latencyBudget(t *testing.T) {
	const messages = 500
	conn := dial(t, beating+"&latency_budget=1000")
	ch := channel(t, conn)
	ctx := testContext(t)
	q := queue(t, ch)
	var confirms []*blocking.Deferred
	for i := range messages {
		d, err := ch.PublishDeferred(ctx, &blocking.Publishing{RoutingKey: q, Mandatory: true, Body: fmt.Append(nil, i)})
		if err != nil {
			t.Fatal(err)
		}
		confirms = append(confirms, d)
	}
	for _, d := range confirms {
		if err := d.Wait(ctx); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for d, err := range ch.Consume(ctx, &blocking.Consume{Queue: q, Prefetch: messages}) {
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Ack(); err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprint(n); string(d.Body) != want {
			t.Fatalf("delivery %s, want %s", d.Body, want)
		}
		if n++; n == messages {
			break
		}
	}
	select {
	case <-conn.Done():
		t.Fatal(conn.Err())
	case <-time.After(deathTime):
	}
	if left, err := ch.QueueDelete(ctx, &blocking.QueueDelete{Queue: q}); err != nil || left.MessageCount != 0 {
		t.Errorf("at the end %+v, %v", left, err)
	}
}
