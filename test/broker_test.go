package test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// One broker of their own for all tests that steer it, since starting one takes
// longer than any of them. The last ones leave little of it.
func TestSteeredBroker(t *testing.T) {
	n := startNode(t, "auth_mechanisms.1 = PLAIN", "auth_mechanisms.2 = AMQPLAIN", "auth_mechanisms.3 = RABBIT-CR-DEMO", "auth_mechanisms.4 = EXTERNAL")
	for _, test := range []struct {
		name string
		run  func(t *testing.T, n node)
	}{
		{"authenticates by password and challenge", mechanisms},
		{"authenticates by client certificate", external},
		{"runs low on memory", memoryAlarm},
		{"waits too long for an ack", ackTimeout},
		{"closes the connection", forcedClose},
		{"closes a connection that recovers", forcedRecovery},
		{"refuses publishes that do not wait while memory is low", refusedByAlarm},
		{"runs low on memory under a pool", poolInAlarm},
		{"is killed amid calls, which go on", callsAfterKill},
		{"is killed three times, and nothing confirmed is lost", survivors},
		{"is killed", killed},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, n) })
	}
}

// An alarm holds publishes and nothing else, for as long as it takes.
func memoryAlarm(t *testing.T, n node) {
	ctx := testContext(t)
	url := with(nodeURL(n), beating)
	told := make(events, 100)
	publisher, consumer := dialURL(t, url, told.option()), dialURL(t, url)
	impatient := dialURL(t, with(url, "blocked_timeout=1000"))
	out, in := channel(t, publisher), channel(t, consumer)
	q := queue(t, in)
	publish(t, in, &blocking.Publishing{RoutingKey: q}, &blocking.Publishing{RoutingKey: q})
	stuck := newFlood(t, url)
	n.alarm(t, true)
	stuck.start()
	// The broker tells a connection when it publishes.
	for _, conn := range []*blocking.Conn{publisher, impatient} {
		ch := channel(t, conn)
		eventually(t, "publisher blocked", func() bool {
			short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			defer cancel()
			ch.PublishConfirm(short, &blocking.Publishing{RoutingKey: q})
			return conn.IsBlocked()
		})
	}
	<-impatient.Done()
	if err := impatient.Err(); !errors.Is(err, blocking.ErrBlockedTimeout) {
		t.Errorf("the impatient one ended with %v", err)
	}
	short, cancel := context.WithTimeout(ctx, deathTime)
	defer cancel()
	if err := out.Publish(short, &blocking.Publishing{RoutingKey: q}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("publish during the alarm: %v", err)
	}
	fetch(t, in, q)
	n.alarm(t, false)
	publish(t, out, &blocking.Publishing{RoutingKey: q})
	stuck.wait()
	if e := await[blocking.Blocked](t, told); e.Reason != "low on memory" {
		t.Errorf("blocked for %q", e.Reason)
	}
	await[blocking.Unblocked](t, told)
}

// flood is a connection that sends more than the broker reads.
type flood struct {
	t       *testing.T
	c       *callback
	settled chan error // the outcome, then the channel's end
}

const (
	floodSize   = 1 << 20
	floodLength = 24 // far more than sockets hold
)

func newFlood(t *testing.T, url string) *flood {
	t.Helper()
	c := dialCallback(t, url, func(cfg *core.ClientConfig) { cfg.MaxBuffered = core.Unbounded })
	return &flood{t, c, make(chan error, 2)}
}

// confirmed is a channel that tells when n publishes are.
type confirmed struct {
	failing
	n uint64
}

func (c confirmed) OnConfirm(_ *core.Channel, cf core.Confirm) {
	switch {
	case !cf.Ack:
		c.done(errors.New("nacked"))
	case cf.Last == c.n:
		c.done(nil)
	}
}

// start queues it all before the broker can say that it is blocked.
func (f *flood) start() {
	f.t.Helper()
	body := make([]byte, floodSize)
	err := f.c.conn.AddCallbackThreadsafe(func(cc *core.Conn) {
		ch, err := cc.OpenChannel(confirmed{failing{done: func(err error) { f.settled <- err }}, floodLength})
		if err == nil {
			err = ch.ConfirmSelect(&wire.ConfirmSelect{}, nil)
		}
		for range floodLength {
			if err == nil {
				_, err = ch.PublishLoan(&core.Publishing{RoutingKey: "dropped", Body: body}, func(error) {})
			}
		}
		if err != nil {
			f.t.Error(err)
		}
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

// wait fails the test unless all of it has reached the broker.
func (f *flood) wait() {
	f.t.Helper()
	select {
	case err := <-f.settled:
		if err != nil {
			f.t.Errorf("publishes that the alarm held: %v", err)
		}
	case <-f.c.conn.Done():
		f.t.Errorf("a connection stuck in writing ended with %v", f.c.conn.Err())
	case <-time.After(bound):
		f.t.Error("publishes that the alarm held are not confirmed")
	}
}

// Both the channel and its consumer tell what the broker ended them for.
func ackTimeout(t *testing.T, n node) {
	pass, restore := n.lateAcks(t)
	told := make(events, 100)
	conn := dialURL(t, nodeURL(n), told.option())
	ch := channel(t, conn)
	q := queue(t, ch)
	publish(t, ch, &blocking.Publishing{RoutingKey: q})
	var late *blocking.Delivery
	var end error
	for d, err := range ch.Consume(testContext(t), &blocking.Consume{Queue: q}) {
		if err != nil {
			end = err
			break
		}
		late = d
		pass()
		<-ch.Done()
	}
	failed := await[blocking.ChannelFailed](t, told)
	if failed.Channel != ch {
		t.Error("another channel's failure is told")
	}
	for _, err := range []error{ch.Err(), end, failed.Err} {
		if !errors.Is(err, blocking.PreconditionFailed) {
			t.Errorf("ended with %v", err)
		}
		want(t, err, "timed out", "channel 1")
	}
	if err := late.Ack(); !errors.Is(err, blocking.ErrClosed) {
		t.Errorf("ack: %v", err)
	}
	restore()
	if d := fetch(t, channel(t, conn), q); !d.Redelivered {
		t.Error("the message does not say that it comes again")
	}
}

func forcedClose(t *testing.T, n node) {
	conn := dialURL(t, nodeURL(n))
	ch := channel(t, conn)
	n.closeConnections(t, "for the test")
	<-conn.Done()
	if err := conn.Err(); !errors.Is(err, blocking.ConnectionForced) {
		t.Errorf("connection ended with %v", err)
	}
	want(t, ch.Err(), "CONNECTION_FORCED", "for the test")
}

// What the program holds from before a reconnect does no harm after it.
func forcedRecovery(t *testing.T, n node) {
	ctx := testContext(t)
	told := make(events, 100)
	var acks atomic.Int32
	conn := dialURL(t, nodeURL(n), told.option(), blocking.WithRecovery(&blocking.Recovery{}), blocking.WithParams(func(p *blocking.Params) {
		p.Client.Trace = func(f *core.TraceFrame) {
			if f.Sent && f.Method == wire.BasicAckID {
				acks.Add(1)
			}
		}
	}))
	ch := channel(t, conn)
	q := unique(t)
	if _, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: q, Durable: true}); err != nil {
		t.Fatal(err)
	}
	publish(t, ch, &blocking.Publishing{RoutingKey: q})
	var old *blocking.Delivery
	for d, err := range ch.Consume(ctx, &blocking.Consume{Queue: q}) {
		if err != nil {
			t.Fatal(err)
		}
		if old == nil {
			old = d
			n.closeConnections(t, "for the test")
			if e := await[blocking.Lost](t, told); !errors.Is(e.Err, blocking.ConnectionForced) {
				t.Errorf("lost for %v", e.Err)
			}
			await[blocking.Recovered](t, told)
			continue
		}
		if !d.Redelivered {
			t.Error("the message does not say that it comes again")
		}
		for range 3 {
			if err := old.Ack(); !errors.Is(err, blocking.ErrStaleDelivery) && !errors.Is(err, blocking.ErrSettled) {
				t.Errorf("ack of what came before: %v", err)
			}
		}
		if err := d.Ack(); err != nil {
			t.Error(err)
		}
		break
	}
	if err := ch.Close(ctx); err != nil { // which a wrong ack would have done already
		t.Errorf("the channel has failed: %v", err)
	}
	if n := acks.Load(); n != 1 {
		t.Errorf("the broker got %d acks, for one message", n)
	}
}

// events are what a connection has told.
type events chan blocking.Event

func (e events) option() blocking.Option {
	return blocking.WithEvents(func(ev blocking.Event) { e <- ev })
}

// await waits for an event of the type, and drops those before it.
func await[E blocking.Event](t *testing.T, told events) E {
	t.Helper()
	for {
		select {
		case e := <-told:
			if e, ok := e.(E); ok {
				return e
			}
		case <-time.After(bound):
			var none E
			t.Fatalf("no %T was told", none)
		}
	}
}

func killed(t *testing.T, n node) {
	conn := dialURL(t, nodeURL(n))
	ch := channel(t, conn)
	_, ended := consume(t, ch, &blocking.Consume{Queue: queue(t, ch)})
	n.kill(t)
	if err := <-ended; !errors.Is(err, blocking.ErrClosed) {
		t.Errorf("consumer ended with %v", err)
	}
	<-conn.Done()
	as[*blocking.TransportError](t, conn.Err())
}
