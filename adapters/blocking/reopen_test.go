package blocking_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/internal/fakebroker"
	"github.com/haypile/haypile/core/wire"
)

// strict is a broker that closes channels over queues and exchanges
// whose names begin with "bad". A message of consumers is the number of the
// channel's opening, counting from 1.
type strict struct {
	conn   *blocking.Conn
	ch     *blocking.Channel
	events chan blocking.Event
	log    chan string
	cut    chan struct{}   // closes the connection
	hold   <-chan struct{} // if set, before consumers are answered again

	mu       sync.Mutex
	openings int
	gone     map[string]bool // queues that are there no more
	silent   bool            // no confirms in the first opening
}

func connectStrict(t *testing.T, b *strict, opts ...blocking.Option) *strict {
	t.Helper()
	checkGoroutines(t)
	b.events, b.log, b.cut = make(chan blocking.Event, 1000), make(chan string, 1000), make(chan struct{})
	addr := fakebroker.Start(t, func(n int, s *fakebroker.Session) {
		if !s.Handshake() {
			return
		}
		gone := make(chan struct{})
		defer close(gone)
		go func() {
			select {
			case <-b.cut:
				s.Close()
			case <-gone:
			}
		}()
		tags := map[uint16]uint64{} // the next one, of channels in confirm mode
		s.Seen = func(m wire.Method, body []byte) {
			if m.ID() == wire.ChannelOpenID {
				b.mu.Lock()
				b.openings++
				b.mu.Unlock()
				clear(tags)
			}
			b.log <- describe(m, body)
		}
		s.Serve(func(m wire.Method, ch uint16, _ []byte) { b.answer(s, m, ch, tags) })
	})
	ctx := testContext(t)
	var err error
	b.conn, err = blocking.Dial(ctx, "amqp://"+addr, append([]blocking.Option{
		patiently(),
		blocking.WithRecovery(&blocking.Recovery{ReopenChannels: true}),
		blocking.WithParams(func(p *blocking.Params) { p.RetryDelay, p.MaxRetryDelay = time.Millisecond, time.Millisecond }),
		blocking.WithEvents(func(e blocking.Event) { b.events <- e }),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.conn.Close(ctx) })
	if b.ch, err = b.conn.Channel(ctx); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *strict) answer(s *fakebroker.Session, m wire.Method, ch uint16, tags map[uint16]uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	refuse := func() {
		s.Send(ch, &wire.ChannelClose{ReplyCode: wire.NotFound, ReplyText: "NOT_FOUND", Cause: m.ID()})
	}
	switch m := m.(type) {
	case *wire.QueueDeclare:
		if m.Queue == "bad" {
			refuse()
			return
		}
		s.Send(ch, &wire.QueueDeclareOk{Queue: m.Queue})
	case *wire.BasicConsume:
		if b.hold != nil && b.openings > 1 {
			<-b.hold
		}
		if b.gone[m.Queue] {
			refuse()
			return
		}
		s.Send(ch, &wire.BasicConsumeOk{ConsumerTag: "c-" + m.Queue}, &wire.BasicDeliver{ConsumerTag: "c-" + m.Queue, DeliveryTag: 1}, fmt.Sprint(b.openings))
	case *wire.BasicPublish:
		tag := tags[ch]
		switch {
		case m.Exchange == "bad":
			refuse()
		case tag > 0:
			tags[ch]++
			if !b.silent || b.openings > 1 {
				s.Send(ch, &wire.BasicAck{DeliveryTag: tag})
			}
		}
	case *wire.ConfirmSelect:
		tags[ch] = 1
		s.Send(ch, &wire.ConfirmSelectOk{})
	default:
		obey(s, m, ch)
	}
}

func (b *strict) set(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
}

// mistake makes a request that has the broker close the channel.
func (b *strict) mistake(t *testing.T) {
	t.Helper()
	_, err := b.ch.QueueDeclare(testContext(t), &blocking.QueueDeclare{Queue: "bad"})
	var e *blocking.Error
	if !errors.As(err, &e) || e.Code != blocking.NotFound || !e.Remote {
		t.Errorf("the mistake got %v", err)
	}
}

// loop consumes until the consumer ends, and tells what it gets.
func (b *strict) loop(ctx context.Context, queue string) (<-chan *blocking.Delivery, <-chan error) {
	got, ended := make(chan *blocking.Delivery, 100), make(chan error, 1)
	go func() {
		for d, err := range b.ch.Consume(ctx, &blocking.Consume{Queue: queue}) {
			if err != nil {
				ended <- err
				return
			}
			got <- d
		}
	}()
	return got, ended
}

// expect skips to the methods, which come in this order with nothing between.
func (b *strict) expect(t *testing.T, first string, methods ...string) {
	t.Helper()
	next := func() string {
		select {
		case m := <-b.log:
			return m
		case <-time.After(bound):
			t.Fatalf("the broker never got %q, then %q", first, methods)
			return ""
		}
	}
	for next() != first {
	}
	for _, want := range methods {
		if got := next(); got != want {
			t.Errorf("the broker got %q, want %q", got, want)
		}
	}
}

func awaitEvent[E blocking.Event](t *testing.T, events chan blocking.Event) E {
	t.Helper()
	e, _ := await[E](t, &restarting{events: events})
	return e
}

func TestAChannelIsOpenedAgainWithAllItHad(t *testing.T) {
	b := connectStrict(t, &strict{})
	ctx := testContext(t)
	if err := errors.Join(b.ch.ConfirmSelect(ctx), b.ch.Qos(ctx, &blocking.Qos{PrefetchCount: 7, Global: true})); err != nil {
		t.Fatal(err)
	}
	got, _ := b.loop(ctx, "q")
	held := <-got
	b.mistake(t)
	if d := <-got; string(d.Body) != "2" {
		t.Errorf("the loop went on with %q", d.Body)
	}
	b.expect(t, `queue.declare "bad"`, "channel.close-ok", "channel.open", "basic.qos 7", "confirm.select", "basic.qos 128", "basic.consume q")
	if err := held.Ack(); !errors.Is(err, blocking.ErrStaleDelivery) {
		t.Errorf("ack of a delivery from before: %v", err)
	}
	if e := awaitEvent[blocking.ChannelReopened](t, b.events); e.Channel != b.ch || !errors.Is(e.Err, blocking.NotFound) {
		t.Errorf("event %v", e)
	}
	if err := b.ch.PublishConfirm(ctx, &blocking.Publishing{}); err != nil || b.ch.Err() != nil {
		t.Errorf("afterwards: %v, and the channel's error is %v", err, b.ch.Err())
	}
	if s := b.conn.Stats(); s.Channels != 1 || s.Consumers != 1 {
		t.Errorf("%d channels and %d consumers", s.Channels, s.Consumers)
	}
}

func TestPublishesUnderWayWhenTheirChannelIsOpenedAgain(t *testing.T) {
	for name, test := range map[string]struct {
		republish bool
		mistake   string // where it is made
		lost      bool   // whether the innocent message is
	}{
		"have an unknown outcome":                             {mistake: "request", lost: true},
		"are sent again if asked, when a request is to blame": {republish: true, mistake: "request"},
		"are not sent again when a publish is to blame":       {republish: true, mistake: "publish", lost: true},
	} {
		t.Run(name, func(t *testing.T) {
			b := connectStrict(t, &strict{silent: true}, blocking.WithRecovery(&blocking.Recovery{ReopenChannels: true, Republish: test.republish}))
			ctx := testContext(t)
			innocent, err := b.ch.PublishDeferred(ctx, &blocking.Publishing{Body: []byte("innocent")})
			if err != nil {
				t.Fatal(err)
			}
			b.expect(t, "basic.publish innocent")
			if test.mistake == "publish" {
				err := b.ch.PublishConfirm(ctx, &blocking.Publishing{Exchange: "bad"})
				if !errors.Is(err, blocking.ErrUnknownOutcome) || !errors.Is(err, blocking.NotFound) {
					t.Errorf("the mistake: %v", err)
				}
			} else {
				b.mistake(t)
			}
			if err := innocent.Wait(ctx); errors.Is(err, blocking.ErrUnknownOutcome) != test.lost || !test.lost && err != nil {
				t.Errorf("the innocent one: %v", err)
			}
			if err := b.ch.PublishConfirm(ctx, &blocking.Publishing{Body: []byte("next")}); err != nil {
				t.Errorf("the next one: %v", err)
			}
			eventually(t, "nothing is kept or unconfirmed", func() bool { s := b.conn.Stats(); return s.Kept == 0 && s.Unconfirmed == 0 })
		})
	}
}

func TestAConsumerThatIsRefusedIsNotStartedAgain(t *testing.T) {
	b := connectStrict(t, &strict{gone: map[string]bool{}})
	ctx := testContext(t)
	good, _ := b.loop(ctx, "good")
	<-good
	bad, ended := b.loop(ctx, "deleted")
	<-bad
	last, _ := b.loop(ctx, "last")
	<-last
	b.set(func() { b.gone["deleted"] = true })
	b.mistake(t)
	if err := <-ended; !errors.Is(err, blocking.NotFound) {
		t.Errorf("the refused consumer's loop: %v", err)
	}
	for _, got := range []<-chan *blocking.Delivery{good, last} {
		for d := range got {
			if string(d.Body) == "3" {
				break
			}
		}
	}
	if e := awaitEvent[blocking.EntityFailed](t, b.events); e.Entity.Kind != blocking.EntityConsumer || e.Entity.Name != "deleted" {
		t.Errorf("event %v", e)
	}
	awaitEvent[blocking.ChannelReopened](t, b.events)
	b.mistake(t)
	awaitEvent[blocking.ChannelReopened](t, b.events)
	b.set(func() {
		if b.openings != 4 {
			t.Errorf("%d openings", b.openings)
		}
	})
}

func TestAnAutoDeleteQueueIsMadeAgainBeforeItsConsumer(t *testing.T) {
	b := connectStrict(t, &strict{})
	ctx := testContext(t)
	for _, q := range []*blocking.QueueDeclare{{Queue: "temporary", AutoDelete: true}, {Queue: "lasting"}} {
		if _, err := b.ch.QueueDeclare(ctx, q); err != nil {
			t.Fatal(err)
		}
		if err := b.ch.QueueBind(ctx, &blocking.QueueBind{Queue: q.Queue, Exchange: "e", RoutingKey: "k"}); err != nil {
			t.Fatal(err)
		}
	}
	got, _ := b.loop(ctx, "temporary")
	<-got
	b.mistake(t)
	<-got
	b.expect(t, "channel.close-ok", "channel.open", `queue.declare "temporary"`, "queue.bind temporary to e by k", "channel.close",
		"channel.open", "basic.qos 128", "basic.consume temporary")
}

func TestWhatIsAskedWhileAChannelIsOpenedAgainWaitsInOrder(t *testing.T) {
	hold := make(chan struct{})
	b := connectStrict(t, &strict{hold: hold})
	ctx := testContext(t)
	got, _ := b.loop(ctx, "q")
	<-got
	b.mistake(t)
	b.expect(t, "channel.close-ok", "channel.open", "basic.qos 128", "basic.consume q")
	var calls sync.WaitGroup
	calls.Go(func() {
		for _, q := range []string{"one", "two"} {
			if _, err := b.ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: q}); err != nil {
				t.Error(err)
			}
			if err := b.ch.Publish(ctx, &blocking.Publishing{Body: []byte(q)}); err != nil {
				t.Error(err)
			}
		}
	})
	canceled, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if _, err := b.ch.QueueDeclare(canceled, &blocking.QueueDeclare{Queue: "given up"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a request with a context that ends: %v", err)
	}
	if err := b.ch.Publish(canceled, &blocking.Publishing{Body: []byte("given up")}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a publish with a context that ends: %v", err)
	}
	close(hold)
	calls.Wait()
	b.expect(t, `queue.declare "one"`, "basic.publish one", `queue.declare "two"`, "basic.publish two")
}

func TestAChannelThatIsClosedAgainAndAgainPauses(t *testing.T) {
	for name, test := range map[string]func(t *testing.T, b *strict){
		"until it is closed": func(t *testing.T, b *strict) {
			if err := b.ch.Close(testContext(t)); err != nil {
				t.Errorf("Close: %v", err)
			}
		},
		"until its connection is closed": func(t *testing.T, b *strict) {
			if err := b.conn.Close(testContext(t)); err != nil {
				t.Errorf("Close: %v", err)
			}
			if err := b.ch.Publish(testContext(t), &blocking.Publishing{}); !errors.Is(err, blocking.ErrClosed) {
				t.Errorf("publish: %v", err)
			}
		},
		"until its connection comes back": func(t *testing.T, b *strict) {
			b.cut <- struct{}{}
			awaitEvent[blocking.Recovered](t, b.events)
			if err := b.ch.PublishConfirm(testContext(t), &blocking.Publishing{}); err != nil {
				t.Errorf("publish: %v", err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := connectStrict(t, &strict{}, blocking.WithParams(func(p *blocking.Params) { p.RetryDelay, p.MaxRetryDelay = time.Hour, time.Hour }))
			other := b.ch
			b.ch = open(t, b.conn, blocking.WithFailFast())
			for range 3 {
				b.mistake(t)
			}
			eventually(t, "publishes are refused in the pause", func() bool {
				return errors.Is(b.ch.Publish(testContext(t), &blocking.Publishing{}), blocking.ErrBackpressure)
			})
			if err := other.PublishConfirm(testContext(t), &blocking.Publishing{}); err != nil {
				t.Errorf("publish on another channel: %v", err)
			}
			b.set(func() {
				if b.openings != 4 {
					t.Errorf("%d openings of two channels", b.openings)
				}
			})
			test(t, b)
		})
	}
}

func TestAChannelLostWhileItIsOpenedAgainComesBackWithItsConnection(t *testing.T) {
	hold := make(chan struct{})
	b := connectStrict(t, &strict{hold: hold})
	ctx := testContext(t)
	got, _ := b.loop(ctx, "q")
	<-got
	b.mistake(t)
	b.expect(t, "channel.close-ok", "channel.open", "basic.qos 128", "basic.consume q")
	b.cut <- struct{}{}
	awaitEvent[blocking.Lost](t, b.events)
	close(hold)
	if d := <-got; string(d.Body) != "3" {
		t.Errorf("the loop went on with %q", d.Body)
	}
	if err := b.ch.PublishConfirm(ctx, &blocking.Publishing{}); err != nil {
		t.Error(err)
	}
}
