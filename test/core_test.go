package test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"strings"
	"testing"

	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// callback is a connection of driver, for what core can do and the blocking
// client has no method for.
type callback struct {
	t    *testing.T
	conn *driver.Conn
}

func dialCallback(t *testing.T, url string, change func(cfg *core.ClientConfig)) *callback {
	t.Helper()
	checkLeaks(t)
	params, err := driver.ParseURI(url)
	if err != nil {
		t.Fatal(err)
	}
	patient(&params)
	if change != nil {
		change(&params.Client)
	}
	conn, err := driver.Dial(testContext(t), newLoop(t), params, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		<-conn.Done()
	})
	return &callback{t, conn}
}

// on runs f on the loop and waits for an error to come out of it, sent by
// whatever f set going.
func (c *callback) on(f func(cc *core.Conn, done func(error))) error {
	c.t.Helper()
	result := make(chan error, 1)
	err := c.conn.AddCallbackThreadsafe(func(cc *core.Conn) {
		f(cc, func(err error) {
			select {
			case result <- err:
			default: // the first counts
			}
		})
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// onChannel is on with a channel, whose end is an error, too.
func (c *callback) onChannel(f func(ch *core.Channel, done func(error))) error {
	c.t.Helper()
	return c.on(func(cc *core.Conn, done func(error)) {
		ch, err := cc.OpenChannel(failing{done: done})
		if err != nil {
			done(err)
			return
		}
		f(ch, done)
	})
}

// works fails the test unless a channel can be opened, used and closed.
func (c *callback) works() {
	c.t.Helper()
	err := c.on(func(cc *core.Conn, done func(error)) {
		ch, err := cc.OpenChannel(ending{done: done})
		if err == nil {
			err = errors.Join(ch.QueueDeclare(&wire.QueueDeclare{Exclusive: true}, nil), ch.Close(0, "bye"))
		}
		if err != nil {
			done(err)
		}
	})
	if err != nil {
		c.t.Errorf("the connection does not work: %v", err)
	}
}

// ending is a channel whose end is awaited.
type ending struct {
	core.NopChannel
	done func(error)
}

func (e ending) OnClose(_ *core.Channel, err error) { e.done(err) }

// digest is a StreamHandler that hashes the body.
type digest struct {
	sum  hash.Hash
	size uint64
	done func(error)
}

func (d *digest) OnBegin(_ *core.Delivery, size uint64) { d.sum, d.size = sha256.New(), size }
func (d *digest) OnChunk(p []byte)                      { d.sum.Write(p) }
func (d *digest) OnEnd(err error)                       { d.done(err) }

// A body far above MaxMessage goes out without a copy and comes in in pieces.
func TestLargeBodyIsLentAndStreamed(t *testing.T) {
	c := dialCallback(t, brokerURL(t), func(cfg *core.ClientConfig) { cfg.MaxMessage = 1 << 20 })
	body := make([]byte, 16<<20)
	for i := range body {
		body[i] = byte(i * i >> 7)
	}
	d := &digest{}
	released := make(chan error, 2)
	err := c.onChannel(func(ch *core.Channel, done func(error)) {
		d.done = done
		ch.QueueDeclare(&wire.QueueDeclare{Queue: t.Name(), Exclusive: true}, nil)
		ch.ConsumeStream(&wire.BasicConsume{Queue: t.Name(), NoAck: true}, d, nil)
		if _, err := ch.PublishLoan(&core.Publishing{RoutingKey: t.Name(), Body: body}, func(err error) { released <- err }); err != nil {
			done(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	want := sha256.Sum256(body)
	if d.size != uint64(len(body)) || !bytes.Equal(d.sum.Sum(nil), want[:]) {
		t.Errorf("%d bytes came in, not those that went out", d.size)
	}
	if err := <-released; err != nil || len(released) > 0 {
		t.Errorf("loan returned with %v, and %d times more", err, len(released))
	}
}

// failing is a channel whose end is the test's error.
type failing struct {
	core.NopChannel
	done func(error)
}

func (f failing) OnClose(_ *core.Channel, err error) { f.done(fmt.Errorf("channel ended: %w", err)) }

// Everything works one request at a time, for brokers that need it.
func TestSerialModeWorks(t *testing.T) {
	var trace []string
	c := dialCallback(t, brokerURL(t), func(cfg *core.ClientConfig) {
		cfg.Serial = true
		cfg.Trace = func(f *core.TraceFrame) {
			if f.Type == wire.FrameMethod && f.Method.Class() != wire.ClassConnection {
				trace = append(trace, f.String())
			}
		}
	})
	err := c.onChannel(func(ch *core.Channel, done func(error)) {
		q := t.Name()
		ch.QueueDeclare(&wire.QueueDeclare{Queue: q, Exclusive: true}, nil)
		ch.QueueBind(&wire.QueueBind{Queue: q, Exchange: "amq.topic", RoutingKey: "#"}, nil)
		ch.ConfirmSelect(&wire.ConfirmSelect{}, nil)
		ch.Publish(&core.Publishing{Exchange: "amq.topic", RoutingKey: "a.b", Body: []byte("hello")})
		ch.QueueUnbind(&wire.QueueUnbind{Queue: q, Exchange: "amq.topic", RoutingKey: "#"}, nil)
		ch.Get(&wire.BasicGet{Queue: q}, func(d *core.Delivery, err error) {
			if err != nil || d == nil || string(d.Body) != "hello" {
				done(fmt.Errorf("got %v, %v", d, err))
				return
			}
			ch.Ack(d.DeliveryTag, false)
		})
		ch.QueueDelete(&wire.QueueDelete{Queue: q}, func(_ *wire.QueueDeleteOk, err error) { done(err) })
	})
	if err != nil {
		t.Fatal(err)
	}
	awaited := ""
	for _, line := range trace {
		arrow, rest, _ := strings.Cut(line, " ")
		name := strings.TrimSuffix(strings.Fields(rest)[1], ",")
		switch {
		case arrow == "->" && awaited != "":
			t.Errorf("%s leaves before the reply to %s\n%s", name, awaited, strings.Join(trace, "\n"))
		case arrow == "->" && name != "basic.publish" && name != "basic.ack":
			awaited = name
		case arrow == "<-" && name == awaited+"-ok":
			awaited = ""
		}
	}
}

// The forms without a reply work, and a failure names what failed.
func TestRequestsWithoutReply(t *testing.T) {
	c := dialCallback(t, brokerURL(t), nil)
	q := t.Name()
	err := c.onChannel(func(ch *core.Channel, done func(error)) {
		undo := func(*core.Delivery) {
			ch.Cancel(&wire.BasicCancel{ConsumerTag: "c", NoWait: true}, nil)
			ch.QueuePurge(&wire.QueuePurge{Queue: q, NoWait: true}, nil)
			ch.ExchangeUnbind(&wire.ExchangeUnbind{Destination: q + "2", Source: q, NoWait: true}, nil)
			ch.QueueDelete(&wire.QueueDelete{Queue: q, NoWait: true}, nil)
			ch.ExchangeDelete(&wire.ExchangeDelete{Exchange: q, NoWait: true}, nil)
			ch.QueueDelete(&wire.QueueDelete{Queue: q}, func(_ *wire.QueueDeleteOk, err error) { done(err) })
		}
		for _, err := range []error{
			ch.ExchangeDeclare(&wire.ExchangeDeclare{Exchange: q, Type: "fanout", AutoDelete: true, NoWait: true}, nil),
			ch.ExchangeDeclare(&wire.ExchangeDeclare{Exchange: q + "2", Type: "fanout", AutoDelete: true, NoWait: true}, nil),
			ch.ExchangeBind(&wire.ExchangeBind{Destination: q + "2", Source: q, NoWait: true}, nil),
			ch.QueueDeclare(&wire.QueueDeclare{Queue: q, Exclusive: true, NoWait: true}, nil),
			ch.QueueBind(&wire.QueueBind{Queue: q, Exchange: q + "2", NoWait: true}, nil),
			ch.ConfirmSelect(&wire.ConfirmSelect{NoWait: true}, nil),
			ch.Consume(&wire.BasicConsume{Queue: q, ConsumerTag: "c", NoAck: true, NoWait: true}, undo, nil),
		} {
			if err != nil {
				done(err)
				return
			}
		}
		ch.Publish(&core.Publishing{Exchange: q, Body: []byte("x")})
	})
	if err != nil {
		t.Fatal(err)
	}
	err = c.onChannel(func(ch *core.Channel, done func(error)) {
		ch.QueueBind(&wire.QueueBind{Queue: "no such queue", Exchange: "amq.topic", NoWait: true}, nil)
	})
	var e *core.Error
	if !errors.As(err, &e) || e.Code != wire.NotFound || e.Method != wire.QueueBindID {
		t.Errorf("a bind that fails: %v", err)
	}
}

// demo is RABBIT-CR-DEMO, in which RabbitMQ asks for the password in a round of
// its own.
type demo struct{ user, password string }

func (demo) Name() string                     { return "RABBIT-CR-DEMO" }
func (m demo) Response() (wire.Secret, error) { return wire.NewSecret(m.user), nil }
func (m demo) Challenge(challenge []byte) (wire.Secret, error) {
	if string(challenge) != "Please tell me your password" {
		return wire.Secret{}, fmt.Errorf("challenged with %q", challenge)
	}
	return wire.NewSecret("My password is " + m.password), nil
}

func mechanisms(t *testing.T, n node) {
	for name, m := range map[string]core.Mechanism{
		"AMQPLAIN":           core.AMQPlain("guest", wire.NewSecret("guest")),
		"challenge-response": demo{"guest", "guest"},
	} {
		t.Run(name, func(t *testing.T) {
			dialCallback(t, nodeURL(n), func(cfg *core.ClientConfig) { cfg.Mechanisms = []core.Mechanism{m} }).works()
		})
	}
	fails := func(t *testing.T, m core.Mechanism) error {
		checkLeaks(t)
		params, err := driver.ParseURI(nodeURL(n))
		if err != nil {
			t.Fatal(err)
		}
		patient(&params)
		params.Client.Mechanisms = []core.Mechanism{m}
		_, err = driver.Dial(testContext(t), newLoop(t), params, nil)
		if !errors.Is(err, wire.AccessRefused) {
			t.Errorf("dial: %v", err)
		}
		return err
	}
	t.Run("challenge-response with a wrong password", func(t *testing.T) {
		if e := as[*core.Error](t, fails(t, demo{"guest", "wrong"})); !e.Remote {
			t.Errorf("it is our own refusal: %v", e)
		}
	})
	t.Run("one that is not on offer", func(t *testing.T) {
		err := fails(t, unheardOf{})
		want(t, err, "PLAI", "AMQPLAIN")
		if e := as[*core.Error](t, err); e.Remote {
			t.Errorf("it was sent all the same: %v", e)
		}
	})
}

// unheardOf has a name that is a part of one that the broker offers.
type unheardOf struct{ demo }

func (unheardOf) Name() string { return "PLAI" }
