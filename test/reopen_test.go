package test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// reopening dials with everything that keeps a channel going.
func reopening(t *testing.T, url string, r blocking.Recovery, told events) *blocking.Conn {
	t.Helper()
	r.ReopenChannels = true
	return dialURL(t, url, blocking.WithRecovery(&r), told.option(),
		blocking.WithParams(func(p *blocking.Params) { p.RetryDelay, p.MaxRetryDelay = 100*time.Millisecond, 200*time.Millisecond }))
}

func TestAChannelGoesOnAfterMistakes(t *testing.T) {
	told := make(events, 1000)
	conn := reopening(t, brokerURL(t), blocking.Recovery{Republish: true}, told)
	ctx := testContext(t)
	ch := channel(t, conn)
	q := queue(t, ch)
	deliveries, _ := consume(t, ch, &blocking.Consume{Queue: q, Prefetch: 5})
	absent := unique(t)
	for name, mistake := range map[string]struct {
		make   func() error
		code   blocking.Code
		method blocking.MethodID
	}{
		"a queue that is not there": {func() error {
			_, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: absent, Passive: true})
			return err
		}, blocking.NotFound, wire.QueueDeclareID},
		"an exchange that is not there": {func() error {
			return ch.PublishConfirm(ctx, &blocking.Publishing{Exchange: absent})
		}, blocking.NotFound, wire.BasicPublishID},
		"a queue that is another's": {func() error {
			other := queue(t, channel(t, dial(t, "")))
			_, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: other, Passive: true})
			return err
		}, blocking.ResourceLocked, wire.QueueDeclareID},
	} {
		t.Run(name, func(t *testing.T) {
			publish(t, ch, &blocking.Publishing{RoutingKey: q, Body: []byte(name)})
			held := <-deliveries
			err := mistake.make()
			if e := as[*blocking.Error](t, err); e.Code != mistake.code || e.Method != mistake.method || !e.Remote {
				t.Errorf("the mistake: %v", err)
			}
			again := <-deliveries
			if string(again.Body) != name || !again.Redelivered {
				t.Errorf("delivered then: %q, redelivered: %v", again.Body, again.Redelivered)
			}
			if err := held.Ack(); !errors.Is(err, blocking.ErrStaleDelivery) {
				t.Errorf("ack of the first delivery: %v", err)
			}
			if err := again.Ack(); err != nil {
				t.Error(err)
			}
			if e := await[blocking.ChannelReopened](t, told); e.Channel != ch || !errors.Is(e.Err, mistake.code) {
				t.Errorf("event %v", e)
			}
		})
	}
	if n := ready(t, ch, q); n != 0 {
		t.Errorf("%d messages are left", n)
	}
}

// What waits for its confirm when somebody else makes a mistake arrives, by
// Republish; what the mistake was has an unknown outcome.
func TestUnconfirmedMessagesOutliveMistakes(t *testing.T) {
	conn := reopening(t, brokerURL(t), blocking.Recovery{Republish: true}, make(events, 10_000))
	ctx := testContext(t)
	ch := channel(t, conn)
	q := queue(t, ch)
	var wg sync.WaitGroup
	const publishers, each = 8, 200
	for range publishers {
		wg.Go(func() {
			for range each {
				if err := ch.PublishConfirm(ctx, &blocking.Publishing{RoutingKey: q, Mandatory: true}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 5 {
		if _, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "absent", Passive: true}); !errors.Is(err, blocking.NotFound) {
			t.Errorf("the mistake: %v", err)
		}
	}
	wg.Wait()
	if n := ready(t, ch, q); n < publishers*each {
		t.Errorf("%d messages are in the queue, want %d or more", n, publishers*each)
	}
}

// subscribe consumes from a queue of the channel's own, which gets what is published
// to the exchange and goes with its consumer.
func subscribe(t *testing.T, ch *blocking.Channel, exchange string) (chan *blocking.Delivery, chan error) {
	t.Helper()
	ctx := testContext(t)
	if err := ch.ExchangeDeclare(ctx, &blocking.ExchangeDeclare{Exchange: exchange, Type: "fanout", AutoDelete: true}); err != nil {
		t.Fatal(err)
	}
	q, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{AutoDelete: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.QueueBind(ctx, &blocking.QueueBind{Queue: q.Queue, Exchange: exchange}); err != nil {
		t.Fatal(err)
	}
	return consume(t, ch, &blocking.Consume{Queue: q.Queue})
}

func TestASubscriptionOutlivesAMistake(t *testing.T) {
	told := make(events, 1000)
	conn := reopening(t, brokerURL(t), blocking.Recovery{}, told)
	ch, exchange := channel(t, conn), unique(t)
	deliveries, _ := subscribe(t, ch, exchange)
	if err := ch.PublishConfirm(testContext(t), &blocking.Publishing{Exchange: unique(t)}); !errors.Is(err, blocking.NotFound) {
		t.Errorf("the mistake: %v", err)
	}
	await[blocking.QueueRenamed](t, told)
	await[blocking.ChannelReopened](t, told)
	publish(t, ch, &blocking.Publishing{Exchange: exchange, Body: []byte("news")})
	if d := <-deliveries; string(d.Body) != "news" || d.Ack() != nil {
		t.Errorf("delivered: %q", d.Body)
	}
}

func TestAConsumerWhoseQueueIsGoneIsNotStartedForEver(t *testing.T) {
	told := make(events, 1000)
	conn := reopening(t, brokerURL(t), blocking.Recovery{Filter: func(blocking.Entity) bool { return false }}, told)
	ch := channel(t, conn)
	lasting := queue(t, ch)
	deliveries, _ := consume(t, ch, &blocking.Consume{Queue: lasting})
	_, ended := subscribe(t, ch, unique(t))
	if err := ch.PublishConfirm(testContext(t), &blocking.Publishing{Exchange: unique(t)}); !errors.Is(err, blocking.NotFound) {
		t.Errorf("the mistake: %v", err)
	}
	if err := <-ended; !errors.Is(err, blocking.NotFound) {
		t.Errorf("the loop over the queue that is gone: %v", err)
	}
	await[blocking.ChannelReopened](t, told)
	publish(t, ch, &blocking.Publishing{RoutingKey: lasting})
	(<-deliveries).Ack()
}

func TestACallerOutlivesARequestToNoExchange(t *testing.T) {
	conn := dial(t, "")
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	server := channel(t, conn)
	q := queue(t, server)
	served := make(chan error, 1)
	go func() {
		served <- server.Serve(ctx, &blocking.Handle{
			Consume: blocking.Consume{Queue: q},
			Requeue: func(*blocking.Delivery, error) bool { return false },
		}, func(_ context.Context, d *blocking.Delivery) (*blocking.Publishing, error) {
			if len(d.Body) == 0 {
				return nil, errors.New("nothing was asked")
			}
			return &blocking.Publishing{Body: d.Body}, nil
		})
	}()
	caller, err := conn.Caller(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := caller.Call(ctx, &blocking.Publishing{Exchange: "absent"}); !errors.Is(err, blocking.NotFound) || !errors.Is(err, blocking.ErrUnknownOutcome) {
			t.Errorf("to no exchange: %v", err)
		}
		if d, err := caller.Call(ctx, &blocking.Publishing{RoutingKey: q, Body: []byte("echo")}); err != nil || string(d.Body) != "echo" {
			t.Errorf("the next call: %v, %v", d, err)
		}
		_, err := caller.Call(ctx, &blocking.Publishing{RoutingKey: q})
		if e := as[*blocking.ReplyError](t, err); e.Text != "nothing was asked" {
			t.Errorf("a request that fails: %v", err)
		}
	}
	cancel()
	<-served
}

// halfDead passes bytes on to the broker. What is cut off is closed for the client
// alone: the broker knows nothing of it before release.
type halfDead struct {
	mu            sync.Mutex
	clients       []net.Conn
	brokers, left []net.Conn // the other ends; of those that were cut off
}

func (h *halfDead) listen(t *testing.T, to string) (addr string) {
	t.Cleanup(func() {
		h.cut()
		h.release()
	})
	return serve(t, func(client net.Conn) {
		broker, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		h.mu.Lock()
		h.clients, h.brokers = append(h.clients, client), append(h.brokers, broker)
		h.mu.Unlock()
		go io.Copy(broker, client)
		io.Copy(client, broker)
	})
}

func (h *halfDead) cut() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.clients {
		c.Close()
	}
	h.left, h.brokers, h.clients = append(h.left, h.brokers...), nil, nil
}

func (h *halfDead) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.left {
		c.Close()
	}
	h.left = nil
}

// The broker takes the lost connection for alive, so its exclusive queue is its
// still; recovery waits for it.
func TestAnExclusiveQueueIsRecoveredWhenTheBrokerLetsGo(t *testing.T) {
	var h halfDead
	addr := h.listen(t, broker(t))
	told := make(events, 1000)
	var refused atomic.Int32
	conn := dialURL(t, reach(t, nil, addr), blocking.WithRecovery(&blocking.Recovery{}), told.option(), blocking.WithParams(func(p *blocking.Params) {
		p.RetryDelay, p.MaxRetryDelay = 300*time.Millisecond, 3*time.Second
		p.Client.Trace = func(f *core.TraceFrame) {
			if !f.Sent && f.Method == wire.ChannelCloseID && refused.Add(1) == 2 {
				go h.release()
			}
		}
	}))
	ctx := testContext(t)
	ch := channel(t, conn)
	q := unique(t)
	if _, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: q, Exclusive: true}); err != nil {
		t.Fatal(err)
	}
	deliveries, _ := consume(t, ch, &blocking.Consume{Queue: q, Exclusive: true})
	h.cut()
	await[blocking.Lost](t, told)
	await[blocking.Recovered](t, told)
	publish(t, ch, &blocking.Publishing{RoutingKey: q, Mandatory: true})
	(<-deliveries).Ack()
	if refused.Load() < 2 {
		t.Errorf("refused %d times", refused.Load())
	}
}

func poolInAlarm(t *testing.T, n node) {
	checkLeaks(t)
	ctx := testContext(t)
	p, err := blocking.DialPool(ctx, nodeURL(n), blocking.PoolSize{}, blocking.WithLoop(newLoop(t)), blocking.WithParams(patient))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(ctx)
	conn, err := p.Consumers(ctx)
	if err != nil {
		t.Fatal(err)
	}
	in := channel(t, conn)
	q := queue(t, in)
	for range 2 {
		if err := p.PublishConfirm(ctx, &blocking.Publishing{RoutingKey: q}); err != nil {
			t.Fatal(err)
		}
	}
	n.alarm(t, true)
	eventually(t, "publishers blocked", func() bool {
		short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		p.PublishConfirm(short, &blocking.Publishing{RoutingKey: "nowhere"})
		return p.Stats().Blocked
	})
	held := make(chan error, 1)
	go func() { held <- p.PublishConfirm(ctx, &blocking.Publishing{RoutingKey: q}) }()
	for range 2 {
		fetch(t, in, q)
	}
	// The broker has seen the acks: what was not acked would be here again.
	if err := in.Recover(ctx); err != nil {
		t.Fatal(err)
	}
	if n := ready(t, in, q); n != 0 {
		t.Errorf("%d messages are left", n)
	}
	select {
	case err := <-held:
		t.Errorf("the publish did not wait: %v", err)
	default:
	}
	n.alarm(t, false)
	if err := <-held; err != nil {
		t.Errorf("after the alarm: %v", err)
	}
	fetch(t, in, q)
}
