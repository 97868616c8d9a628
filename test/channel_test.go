package test

import (
	"errors"
	"sync"
	"testing"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

func TestEveryMethodIsAnswered(t *testing.T) {
	conn := dial(t, "")
	ch := channel(t, conn)
	ctx := testContext(t)
	q := queue(t, ch)
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	for _, name := range []string{"tour-a", "tour-b"} {
		must("exchange.declare", ch.ExchangeDeclare(ctx, &blocking.ExchangeDeclare{Exchange: name, Type: "topic", AutoDelete: true}))
	}
	must("exchange.bind", ch.ExchangeBind(ctx, &blocking.ExchangeBind{Destination: "tour-b", Source: "tour-a", RoutingKey: "#"}))
	must("queue.bind", ch.QueueBind(ctx, &blocking.QueueBind{Queue: q, Exchange: "tour-b", RoutingKey: "a.*"}))
	must("qos", ch.Qos(ctx, &blocking.Qos{PrefetchCount: 5}))
	must("confirm.select", ch.ConfirmSelect(ctx))
	must("publish", ch.PublishConfirm(ctx, &blocking.Publishing{Exchange: "tour-a", RoutingKey: "a.b", Mandatory: true, Body: []byte("one")}))
	d, err := ch.Get(ctx, &blocking.Get{Queue: q})
	must("get", err)
	if d == nil || string(d.Body) != "one" || d.RoutingKey != "a.b" {
		t.Fatalf("get returned %+v", d)
	}
	must("nack", d.Nack(true))
	must("recover", ch.Recover(ctx))
	if d, err = ch.Get(ctx, &blocking.Get{Queue: q, NoAck: true}); err != nil || d == nil || !d.Redelivered {
		t.Fatalf("second get returned %+v, %v", d, err)
	}
	if err := d.Ack(); !errors.Is(err, blocking.ErrSettled) {
		t.Errorf("ack of what needs none: %v", err)
	}
	if d, err = ch.Get(ctx, &blocking.Get{Queue: q}); err != nil || d != nil {
		t.Fatalf("get from an empty queue returned %+v, %v", d, err)
	}
	must("queue.unbind", ch.QueueUnbind(ctx, &blocking.QueueUnbind{Queue: q, Exchange: "tour-b", RoutingKey: "a.*"}))
	must("publish", ch.Publish(ctx, &blocking.Publishing{RoutingKey: q}))
	purged, err := ch.QueuePurge(ctx, &blocking.QueuePurge{Queue: q})
	must("queue.purge", err)
	if purged.MessageCount != 1 {
		t.Errorf("%d messages purged", purged.MessageCount)
	}
	_, err = ch.QueueDelete(ctx, &blocking.QueueDelete{Queue: q})
	must("queue.delete", err)
	must("exchange.unbind", ch.ExchangeUnbind(ctx, &blocking.ExchangeUnbind{Destination: "tour-b", Source: "tour-a", RoutingKey: "#"}))
	must("exchange.delete", ch.ExchangeDelete(ctx, &blocking.ExchangeDelete{Exchange: "tour-b"}))
	must("close", ch.Close(ctx))
	must("second close", ch.Close(ctx))
	must("connection close", conn.Close(ctx))
}

func TestTransactionTakesEffectAtCommit(t *testing.T) {
	ch := channel(t, dial(t, ""))
	ctx := testContext(t)
	q := queue(t, ch)
	count := func() uint32 {
		t.Helper()
		ok, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: q, Passive: true})
		if err != nil {
			t.Fatal(err)
		}
		return ok.MessageCount
	}
	for _, err := range []error{
		ch.TxSelect(ctx),
		ch.Publish(ctx, &blocking.Publishing{RoutingKey: q}),
		ch.TxRollback(ctx),
		ch.Publish(ctx, &blocking.Publishing{RoutingKey: q}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := count(); n != 0 {
		t.Errorf("%d messages before the commit", n)
	}
	if err := ch.TxCommit(ctx); err != nil {
		t.Fatal(err)
	}
	if n := count(); n != 1 {
		t.Errorf("%d messages after the commit", n)
	}
}

func TestUnroutableMessageComesBackInTheError(t *testing.T) {
	ch := channel(t, dial(t, ""))
	err := ch.PublishConfirm(testContext(t), &blocking.Publishing{RoutingKey: "nowhere", Mandatory: true, Body: []byte("lost")})
	if !errors.Is(err, blocking.ErrUnroutable) || !errors.Is(err, blocking.NoRoute) {
		t.Fatalf("error is %v", err)
	}
	if r := as[*blocking.UnroutableError](t, err).Return; string(r.Body) != "lost" || r.RoutingKey != "nowhere" {
		t.Errorf("returned %+v", r)
	}
	back := make(chan *blocking.Return, 1)
	ch.OnReturn(func(r *blocking.Return) { back <- r })
	if err := ch.Publish(testContext(t), &blocking.Publishing{RoutingKey: "nowhere", Mandatory: true, Body: []byte("again")}); err != nil {
		t.Fatal(err)
	}
	if r := <-back; string(r.Body) != "again" {
		t.Errorf("returned %+v", r)
	}
}

func TestChannelErrorEndsTheChannelAlone(t *testing.T) {
	conn := dial(t, "")
	bad, good := channel(t, conn), channel(t, conn)
	ctx := testContext(t)
	_, err := bad.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "absent", Passive: true})
	if !errors.Is(err, blocking.NotFound) {
		t.Fatalf("error is %v", err)
	}
	want(t, err, "channel 1", "queue.declare", "no queue 'absent'")
	<-bad.Done()
	if !errors.Is(bad.Err(), blocking.NotFound) {
		t.Errorf("channel ended with %v", bad.Err())
	}
	if err := bad.Publish(ctx, &blocking.Publishing{}); !errors.Is(err, blocking.ErrClosed) || !errors.Is(err, blocking.NotFound) {
		t.Errorf("publish on it: %v", err)
	}
	if q := queue(t, good); q == "" {
		t.Error("the other channel does not work")
	}
}

// recorder keeps what the driver's callbacks need in the test below.
type recorder struct {
	core.NopClient
	closed chan error
}

func (r *recorder) OnClose(_ *core.Conn, err error) { r.closed <- err }

func TestPipelinedCallsKeepTheirOrder(t *testing.T) {
	checkLeaks(t)
	ctx := testContext(t)
	params, err := driver.ParseURI(brokerURL(t))
	if err != nil {
		t.Fatal(err)
	}
	patient(&params)
	loop := newLoop(t)
	h := &recorder{closed: make(chan error, 1)}
	conn, err := driver.Dial(ctx, loop, params, h)
	if err != nil {
		t.Fatal(err)
	}
	// All of this leaves in one write: were the order lost, the message would
	// be unroutable and the get find an empty queue.
	body := make(chan string, 1)
	err = conn.AddCallbackThreadsafe(func(c *core.Conn) {
		ch, err := c.OpenChannel(nil)
		check := func(err error) {
			if err != nil {
				t.Error(err)
			}
		}
		check(err)
		check(ch.ExchangeDeclare(&wire.ExchangeDeclare{Exchange: "pipelined", Type: "fanout", AutoDelete: true}, nil))
		check(ch.QueueDeclare(&wire.QueueDeclare{Queue: "pipelined", Exclusive: true}, nil))
		check(ch.QueueBind(&wire.QueueBind{Queue: "pipelined", Exchange: "pipelined"}, nil))
		_, err = ch.Publish(&core.Publishing{Exchange: "pipelined", Body: []byte("in order")})
		check(err)
		check(ch.Get(&wire.BasicGet{Queue: "pipelined", NoAck: true}, func(d *core.Delivery, err error) {
			check(err)
			if d == nil {
				body <- "nothing"
			} else {
				body <- string(d.Body)
			}
		}))
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := <-body; got != "in order" {
		t.Errorf("got %q", got)
	}
	conn.Close()
	if err := <-h.closed; err != nil {
		t.Error(err)
	}
	<-conn.Done()
	if err := conn.AddCallbackThreadsafe(func(*core.Conn) {}); !errors.Is(err, driver.ErrClosed) {
		t.Errorf("callback after the end: %v", err)
	}
	loop.Close()
	<-loop.Done()
}

// RabbitMQ answers what follows a consume or a cancel before those themselves
// when it has it at hand.
func TestRequestsBesideConsumersAreAnswered(t *testing.T) {
	conn := dial(t, "")
	ch := channel(t, conn)
	ctx := testContext(t)
	q := queue(t, ch)
	var busy sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		busy.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: q, Passive: true}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	if err := ch.Publish(ctx, &blocking.Publishing{RoutingKey: q}); err != nil {
		t.Fatal(err)
	}
	for range 300 {
		for d, err := range ch.Consume(ctx, &blocking.Consume{Queue: q}) {
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Nack(true); err != nil {
				t.Error(err)
			}
			break
		}
	}
	close(stop)
	busy.Wait()
}
