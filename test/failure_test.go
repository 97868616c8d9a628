package test

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

func TestFailedRequestFailsThoseBehindItInOrder(t *testing.T) {
	c := dialCallback(t, brokerURL(t), nil)
	var failed []string
	err := c.onChannel(func(ch *core.Channel, done func(error)) {
		fails := func(name string) func(error) {
			return func(err error) {
				failed = append(failed, name)
				if !errors.Is(err, wire.NotFound) {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
		declare, bind, get := fails("declare"), fails("bind"), fails("get")
		ch.QueueDeclare(&wire.QueueDeclare{Queue: "absent", Passive: true}, func(_ *wire.QueueDeclareOk, err error) { declare(err) })
		ch.QueueBind(&wire.QueueBind{Queue: "absent", Exchange: "amq.topic"}, func(_ *wire.QueueBindOk, err error) { bind(err) })
		ch.Get(&wire.BasicGet{Queue: "absent"}, func(_ *core.Delivery, err error) { get(err) })
	})
	if !errors.Is(err, wire.NotFound) || !slices.Equal(failed, []string{"declare", "bind", "get"}) {
		t.Errorf("%v failed, then the channel with %v", failed, err)
	}
	c.works()
}

func TestDeclaringDifferentlyIsRefused(t *testing.T) {
	conn := dial(t, "")
	q := unique(t)
	_, err := channel(t, conn).QueueDeclare(testContext(t), &blocking.QueueDeclare{Queue: q, Exclusive: true})
	if err != nil {
		t.Fatal(err)
	}
	_, err = channel(t, conn).QueueDeclare(testContext(t), &blocking.QueueDeclare{Queue: q, Exclusive: true, Arguments: blocking.Table{"x-max-length": 1}})
	if !errors.Is(err, blocking.PreconditionFailed) {
		t.Errorf("queue: %v", err)
	}
	want(t, err, "inequivalent arg 'x-max-length'", q)
}

func TestReservedNamesAreRefused(t *testing.T) {
	conn := dial(t, "")
	_, err := channel(t, conn).QueueDeclare(testContext(t), &blocking.QueueDeclare{Queue: "amq.mine", Exclusive: true})
	if !errors.Is(err, blocking.AccessRefused) {
		t.Errorf("queue: %v", err)
	}
	err = channel(t, conn).ExchangeDelete(testContext(t), &blocking.ExchangeDelete{Exchange: "amq.topic"})
	if !errors.Is(err, blocking.AccessRefused) {
		t.Errorf("exchange: %v", err)
	}
}

func TestHardErrorEndsTheConnectionWithAllItsChannels(t *testing.T) {
	conn := dial(t, "")
	bad, other := channel(t, conn), channel(t, conn)
	_, ended := consume(t, other, &blocking.Consume{Queue: queue(t, other)})
	err := bad.Qos(testContext(t), &blocking.Qos{PrefetchSize: 1}) // RabbitMQ has no such bound
	<-conn.Done()
	for who, err := range map[string]error{
		"request": err, "its channel": bad.Err(), "other channel": other.Err(), "consumer": <-ended, "connection": conn.Err(),
	} {
		if e := as[*blocking.Error](t, err); e.Code != blocking.NotImplemented || !e.Remote || e.Channel != 0 {
			t.Errorf("%s ended with %v", who, err)
		}
	}
	if _, err := conn.Channel(testContext(t)); !errors.Is(err, blocking.ErrClosed) || !errors.Is(err, blocking.NotImplemented) {
		t.Errorf("another channel: %v", err)
	}
}

func TestBothSidesCloseAChannelAtOnce(t *testing.T) {
	c := dialCallback(t, with(brokerURL(t), "channel_max=1"), nil)
	for range 20 {
		err := c.onChannel(func(ch *core.Channel, done func(error)) {
			ch.Publish(&core.Publishing{Exchange: "absent"}) // which the broker closes the channel for
			if err := ch.Close(0, "bye"); err != nil {
				t.Error(err)
			}
		})
		var e *core.Error
		if errors.As(err, &e) && e.Code != wire.NotFound {
			t.Errorf("channel ended with %v", err)
		}
		c.works() // on the same number
	}
}

func TestBothSidesCloseTheConnectionAtOnce(t *testing.T) {
	for range 10 {
		c := dialCallback(t, brokerURL(t), nil)
		c.onChannel(func(ch *core.Channel, done func(error)) {
			ch.Qos(&wire.BasicQos{PrefetchSize: 1}, nil) // which the broker closes the connection for
			if err := ch.Conn().Close(0, "bye"); err != nil {
				t.Error(err)
			}
		})
		<-c.conn.Done()
		if err := c.conn.Err(); err != nil && !errors.Is(err, wire.NotImplemented) {
			t.Errorf("connection ended with %v", err)
		}
	}
}

func TestClosingFromManySidesEndsOnce(t *testing.T) {
	conn := dial(t, "")
	ch := channel(t, conn)
	_, ended := consume(t, ch, &blocking.Consume{Queue: queue(t, ch)})
	ctx := testContext(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := ch.Close(ctx); err != nil {
				t.Errorf("channel: %v", err)
			}
		})
		wg.Go(func() {
			if err := conn.Close(ctx); err != nil {
				t.Errorf("connection: %v", err)
			}
		})
	}
	wg.Wait()
	if err := <-ended; !errors.Is(err, blocking.ErrClosed) {
		t.Errorf("consumer ended with %v", err)
	}
	if err := errors.Join(conn.Close(ctx), ch.Close(ctx), conn.Err(), ch.Err()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestCloseInsideACallbackStillSettlesEverything(t *testing.T) {
	c := dialCallback(t, brokerURL(t), nil)
	settled := make(chan error, 10)
	err := c.onChannel(func(ch *core.Channel, done func(error)) {
		ch.QueueDeclare(&wire.QueueDeclare{Exclusive: true}, func(_ *wire.QueueDeclareOk, err error) {
			settled <- err
			if err := ch.Conn().Close(0, "bye"); err != nil {
				t.Error(err)
			}
		})
		for range 3 {
			ch.QueueDeclare(&wire.QueueDeclare{Exclusive: true}, func(_ *wire.QueueDeclareOk, err error) { settled <- err })
		}
	})
	<-c.conn.Done()
	if c.conn.Err() != nil || len(settled) != 4 {
		t.Errorf("connection ended with %v, channel with %v, %d requests were settled", c.conn.Err(), err, len(settled))
	}
	if err := c.conn.AddCallbackThreadsafe(func(*core.Conn) {}); !errors.Is(err, driver.ErrClosed) {
		t.Errorf("callback after the end: %v", err)
	}
}

func TestTransactionsAndConfirmsExcludeEachOther(t *testing.T) {
	ctx := testContext(t)
	for name, selects := range map[string][2]func(*blocking.Channel) error{
		"confirms first":     {func(ch *blocking.Channel) error { return ch.ConfirmSelect(ctx) }, func(ch *blocking.Channel) error { return ch.TxSelect(ctx) }},
		"transactions first": {func(ch *blocking.Channel) error { return ch.TxSelect(ctx) }, func(ch *blocking.Channel) error { return ch.ConfirmSelect(ctx) }},
	} {
		t.Run(name, func(t *testing.T) {
			ch := channel(t, dial(t, ""))
			for range 2 { // twice is no error
				if err := selects[0](ch); err != nil {
					t.Fatal(err)
				}
			}
			if err := selects[1](ch); !errors.Is(err, blocking.PreconditionFailed) {
				t.Errorf("the other one: %v", err)
			}
		})
	}
}

func TestUserIDOfSomebodyElseIsRefused(t *testing.T) {
	ch := channel(t, dial(t, ""))
	err := ch.PublishConfirm(testContext(t), &blocking.Publishing{RoutingKey: queue(t, ch), Properties: &blocking.Properties{UserID: "somebody"}})
	if !errors.Is(err, blocking.ErrUnknownOutcome) || !errors.Is(err, blocking.PreconditionFailed) {
		t.Errorf("publish: %v", err)
	}
	want(t, err, "user_id", "somebody")
}

func TestPublishToAnExchangeThatIsNotThere(t *testing.T) {
	conn := dial(t, "")
	ch := channel(t, conn)
	err := ch.PublishConfirm(testContext(t), &blocking.Publishing{Exchange: "absent"})
	if !errors.Is(err, blocking.ErrUnknownOutcome) || !errors.Is(err, blocking.NotFound) {
		t.Errorf("publish: %v", err)
	}
	publish(t, channel(t, conn), &blocking.Publishing{})
}
