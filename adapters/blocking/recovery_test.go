package blocking_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/internal/fakebroker"
	"github.com/haypile/haypile/core/wire"
)

// restarting is a broker whose connections are scripted one by one, and what a
// test needs to know of it.
type restarting struct {
	conn   *blocking.Conn
	ch     *blocking.Channel
	events chan blocking.Event
	cut    chan struct{}        // closes the connection that is open
	log    chan string          // methods that came on the connections after the first
	gate   atomic.Pointer[gate] // lets connections after the first in; nil: all
}

// gate tells whether a connection may begin.
type gate func(n int, s *fakebroker.Session) bool

// connectRestarting connects to a broker that obeys, and answers as a says.
// Connections after the first are logged.
func connectRestarting(t *testing.T, a func(n int) answer, opts ...blocking.Option) *restarting {
	t.Helper()
	return connectRestartingOn(t, loopback, a, opts...)
}

func connectRestartingOn(t *testing.T, on network, a func(n int) answer, opts ...blocking.Option) *restarting {
	t.Helper()
	checkGoroutines(t)
	r := &restarting{events: make(chan blocking.Event, 1000), cut: make(chan struct{}), log: make(chan string, 1000)}
	addr, way := on(t, func(n int, s *fakebroker.Session) {
		if g := r.gate.Load(); n > 0 && g != nil && !(*g)(n, s) || !s.Handshake() {
			return
		}
		gone := make(chan struct{})
		defer close(gone)
		go func() {
			select {
			case <-r.cut:
				s.Close()
			case <-gone:
			}
		}()
		if n > 0 {
			s.Seen = func(m wire.Method, body []byte) { r.log <- describe(m, body) }
		}
		s.Serve(func(m wire.Method, channel uint16, body []byte) {
			if !obey(s, m, channel) && a != nil {
				a(n)(s, m, channel, body)
			}
		})
	})
	ctx := testContext(t)
	opts = slices.Concat(way, []blocking.Option{
		blocking.WithParams(func(p *blocking.Params) { p.RetryDelay, p.MaxRetryDelay = time.Millisecond, 5*time.Millisecond }),
		blocking.WithEvents(func(e blocking.Event) { r.events <- e }),
	}, opts)
	var err error
	if r.conn, err = blocking.Dial(ctx, "amqp://"+addr, opts...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.conn.Close(ctx) })
	if r.ch, err = r.conn.Channel(ctx); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *restarting) admit(g gate) { r.gate.Store(&g) }

// obey answers what has one answer only.
func obey(s *fakebroker.Session, m wire.Method, n uint16) bool {
	switch m := m.(type) {
	case *wire.ExchangeDeclare:
		s.Send(n, &wire.ExchangeDeclareOk{})
	case *wire.QueueBind:
		s.Send(n, &wire.QueueBindOk{})
	case *wire.QueueDelete:
		s.Send(n, &wire.QueueDeleteOk{})
	case *wire.BasicCancel:
		s.Send(n, &wire.BasicCancelOk{ConsumerTag: m.ConsumerTag})
	case *wire.ConfirmSelect:
		s.Send(n, &wire.ConfirmSelectOk{})
	case *wire.BasicQos:
		s.Send(n, &wire.BasicQosOk{})
	default:
		return false
	}
	return true
}

// describe is a method in a few words.
func describe(m wire.Method, body []byte) string {
	switch m := m.(type) {
	case *wire.ExchangeDeclare:
		return fmt.Sprintf("exchange.declare %s", m.Exchange)
	case *wire.QueueDeclare:
		return fmt.Sprintf("queue.declare %q", m.Queue)
	case *wire.QueueBind:
		return fmt.Sprintf("queue.bind %s to %s by %s", m.Queue, m.Exchange, m.RoutingKey)
	case *wire.BasicQos:
		return fmt.Sprintf("basic.qos %d", m.PrefetchCount)
	case *wire.BasicConsume:
		return fmt.Sprintf("basic.consume %s", m.Queue)
	case *wire.BasicPublish:
		return fmt.Sprintf("basic.publish %s", body)
	case *wire.BasicAck:
		return fmt.Sprintf("basic.ack %d", m.DeliveryTag)
	}
	return m.ID().String()
}

// expect waits for the methods, in this order.
func (r *restarting) expect(t *testing.T, methods ...string) {
	t.Helper()
	for _, want := range methods {
		select {
		case got := <-r.log:
			if got != want {
				t.Errorf("the broker got %q, want %q", got, want)
			}
		case <-time.After(bound):
			t.Fatalf("the broker never got %q", want)
		}
	}
}

// await waits for an event of the type, and returns those before it, too.
func await[E blocking.Event](t *testing.T, r *restarting) (E, []blocking.Event) {
	t.Helper()
	var before []blocking.Event
	for {
		select {
		case e := <-r.events:
			if e, ok := e.(E); ok {
				return e, before
			}
			before = append(before, e)
		case <-time.After(bound):
			var none E
			t.Fatalf("no %T; there were %v", none, before)
		}
	}
}

// lose cuts the connection and waits until the client knows.
func (r *restarting) lose(t *testing.T) {
	t.Helper()
	r.cut <- struct{}{}
	await[blocking.Lost](t, r)
}

// names has the broker name queues after its connections.
func names(n int) answer {
	return func(s *fakebroker.Session, m wire.Method, ch uint16, _ []byte) {
		switch m := m.(type) {
		case *wire.QueueDeclare:
			name := m.Queue
			if name == "" {
				name = fmt.Sprint("amq.gen-", n)
			}
			s.Send(ch, &wire.QueueDeclareOk{Queue: name})
		case *wire.BasicConsume:
			s.Send(ch, &wire.BasicConsumeOk{ConsumerTag: "c" + m.Queue}, &wire.BasicDeliver{ConsumerTag: "c" + m.Queue, DeliveryTag: 1}, fmt.Sprint("message of ", n))
		}
	}
}

func TestEverythingIsMadeAgainInItsOrder(t *testing.T) {
	r := connectRestarting(t, names)
	ctx := testContext(t)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(r.ch.ExchangeDeclare(ctx, &blocking.ExchangeDeclare{Exchange: "e", Type: "direct"}))
	_, err := r.ch.QueueDeclare(ctx, &blocking.QueueDeclare{})
	check(err)
	check(r.ch.QueueBind(ctx, &blocking.QueueBind{Exchange: "e", RoutingKey: "k"}))
	_, err = r.ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "deleted"})
	check(err)
	check(r.ch.QueueBind(ctx, &blocking.QueueBind{Queue: "deleted", Exchange: "e"}))
	_, err = r.ch.QueueDelete(ctx, &blocking.QueueDelete{Queue: "deleted"})
	check(err)
	_, err = r.ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "passive", Passive: true})
	check(err)
	check(r.ch.ConfirmSelect(ctx))
	check(r.ch.Qos(ctx, &blocking.Qos{PrefetchCount: 7, Global: true}))
	seen := make(chan string)
	go func() {
		for d, err := range r.ch.Consume(ctx, &blocking.Consume{Queue: "amq.gen-0", Prefetch: 3}) {
			if err != nil {
				t.Errorf("consuming: %v", err)
				return
			}
			seen <- string(d.Body)
			if string(d.Body) == "message of 1" {
				return
			}
		}
	}()
	if got := <-seen; got != "message of 0" {
		t.Errorf("before the loss: %q", got)
	}
	r.lose(t)
	if got := <-seen; got != "message of 1" {
		t.Errorf("in the same loop, after the loss: %q", got)
	}
	r.expect(t, "channel.open", "exchange.declare e", `queue.declare ""`, "queue.bind amq.gen-1 to e by k", "channel.close",
		"channel.open", "basic.qos 7", "confirm.select", "basic.qos 3", "basic.consume amq.gen-1")
	_, before := await[blocking.Recovered](t, r)
	if want := []blocking.Event{blocking.QueueRenamed{Old: "amq.gen-0", New: "amq.gen-1"}}; !slices.Equal(before, want) {
		t.Errorf("events before Recovered: %v", before)
	}
	// The old name stands for the new one.
	if _, err := r.ch.QueueDelete(ctx, &blocking.QueueDelete{Queue: "amq.gen-0"}); err != nil {
		t.Error(err)
	}
}

func TestAcksOfALostConnectionAreNotSent(t *testing.T) {
	r := connectRestarting(t, names)
	ctx := testContext(t)
	var old *blocking.Delivery
	for d, err := range r.ch.Consume(ctx, &blocking.Consume{Queue: "q"}) {
		if err != nil {
			t.Fatal(err)
		}
		if old == nil {
			old = d
			r.lose(t)
			continue
		}
		for range 2 {
			if err := old.Ack(); !errors.Is(err, blocking.ErrStaleDelivery) {
				t.Errorf("ack of the old delivery: %v", err)
			}
		}
		if err := d.Ack(); err != nil {
			t.Errorf("ack of the new delivery, with the same number: %v", err)
		}
		break
	}
	r.expect(t, "channel.open", "basic.qos 128", "basic.consume q", "basic.ack 1", "basic.cancel")
}

// confirming tells of publishes on the first connection, and confirms them on the
// others.
func confirming(published chan<- struct{}) func(n int) answer {
	return func(n int) answer {
		return func(s *fakebroker.Session, m wire.Method, ch uint16, _ []byte) {
			if m.ID() != wire.BasicPublishID {
				return
			}
			if n == 0 {
				published <- struct{}{}
			} else {
				s.Send(ch, &wire.BasicAck{DeliveryTag: 1})
			}
		}
	}
}

func TestUnconfirmedPublishesHaveAnUnknownOutcome(t *testing.T) {
	published := make(chan struct{})
	r := connectRestarting(t, confirming(published))
	ctx := testContext(t)
	result := make(chan error, 1)
	go func() { result <- r.ch.PublishConfirm(ctx, &blocking.Publishing{Body: []byte("first")}) }()
	<-published
	r.lose(t)
	err := <-result
	var lost *blocking.TransportError
	if !errors.Is(err, blocking.ErrUnknownOutcome) || !errors.As(err, &lost) || errors.Is(err, blocking.ErrClosed) {
		t.Errorf("the publish under way: %v", err)
	}
	if err := r.ch.PublishConfirm(ctx, &blocking.Publishing{Body: []byte("second")}); err != nil {
		t.Errorf("the next one: %v", err)
	}
	r.expect(t, "channel.open", "confirm.select", "basic.publish second")
}

func TestUnconfirmedPublishesAreSentAgainIfAsked(t *testing.T) {
	published := make(chan struct{})
	r := connectRestarting(t, confirming(published), blocking.WithRecovery(&blocking.Recovery{Republish: true}))
	result := make(chan error, 1)
	go func() { result <- r.ch.PublishConfirm(testContext(t), &blocking.Publishing{Body: []byte("first")}) }()
	<-published
	r.lose(t)
	if err := <-result; err != nil {
		t.Error(err)
	}
	r.expect(t, "channel.open", "confirm.select", "basic.publish first")
}

func TestRequestsUnderWayHaveAnUnknownOutcomeAndLaterOnesWait(t *testing.T) {
	asked := make(chan struct{})
	r := connectRestarting(t, func(n int) answer {
		return func(s *fakebroker.Session, m wire.Method, ch uint16, _ []byte) {
			if n == 0 {
				asked <- struct{}{}
			} else if m.ID() == wire.QueuePurgeID {
				s.Send(ch, &wire.QueuePurgeOk{MessageCount: 5})
			}
		}
	})
	ctx := testContext(t)
	result := make(chan error, 1)
	go func() {
		_, err := r.ch.QueuePurge(ctx, &blocking.QueuePurge{Queue: "q"})
		result <- err
	}()
	<-asked
	r.lose(t)
	if err := <-result; !errors.Is(err, blocking.ErrUnknownOutcome) || errors.Is(err, blocking.ErrClosed) {
		t.Errorf("the request under way: %v", err)
	}
	ok, err := r.ch.QueuePurge(ctx, &blocking.QueuePurge{Queue: "q"})
	if err != nil || ok.MessageCount != 5 {
		t.Errorf("the next one: %v, %v", ok, err)
	}
	if r.conn.Err() != nil || r.ch.Err() != nil {
		t.Errorf("errors of the connection and the channel: %v, %v", r.conn.Err(), r.ch.Err())
	}
}

// refusing closes the channel over what names a queue that begins with "bad".
func refusing(n int) answer {
	return func(s *fakebroker.Session, m wire.Method, ch uint16, _ []byte) {
		refuse := func() {
			s.Send(ch, &wire.ChannelClose{ReplyCode: wire.NotFound, ReplyText: "NOT_FOUND - gone", Cause: m.ID()})
		}
		switch m := m.(type) {
		case *wire.QueueDeclare:
			if n > 0 && m.Queue == "bad" {
				refuse()
				return
			}
			s.Send(ch, &wire.QueueDeclareOk{Queue: m.Queue})
		case *wire.BasicConsume:
			if n > 0 && m.Queue == "bad" {
				refuse()
				return
			}
			s.Send(ch, &wire.BasicConsumeOk{ConsumerTag: "c-" + m.Queue}, &wire.BasicDeliver{ConsumerTag: "c-" + m.Queue, DeliveryTag: 1}, fmt.Sprint(n))
		}
	}
}

func TestWhatFailsIsReportedAndTheRestGoesOn(t *testing.T) {
	r := connectRestarting(t, refusing)
	ctx := testContext(t)
	for _, q := range []string{"bad", "good"} {
		if _, err := r.ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: q}); err != nil {
			t.Fatal(err)
		}
	}
	started := make(chan struct{}, 10)
	bad, good := make(chan error, 1), make(chan string, 10)
	go func() {
		for _, err := range r.ch.Consume(ctx, &blocking.Consume{Queue: "bad"}) {
			if err != nil {
				bad <- err
				return
			}
			started <- struct{}{}
		}
	}()
	<-started
	go func() {
		defer close(good)
		for d, err := range r.ch.Consume(ctx, &blocking.Consume{Queue: "good"}) {
			if err != nil {
				if !errors.Is(err, blocking.ErrClosed) && ctx.Err() == nil { // as the test has it in the end
					t.Error(err)
				}
				return
			}
			good <- string(d.Body)
		}
	}()
	<-good
	r.lose(t)
	if err := <-bad; !errors.Is(err, blocking.NotFound) {
		t.Errorf("the refused consumer's loop: %v", err)
	}
	if got := <-good; got != "1" {
		t.Errorf("the other consumer got a message of connection %s", got)
	}
	_, before := await[blocking.Recovered](t, r)
	var kinds []blocking.EntityKind
	for _, e := range before {
		if e, ok := e.(blocking.EntityFailed); ok && errors.Is(e.Err, blocking.NotFound) {
			kinds = append(kinds, e.Entity.Kind)
		}
	}
	if fmt.Sprint(kinds) != "[queue consumer]" {
		t.Errorf("failed: %v of the events %v", kinds, before)
	}
	if err := r.conn.Close(ctx); err != nil {
		t.Error(err)
	}
	for range good { // until the loop has ended
	}
}

func TestWhatWaitsWhileTheConnectionIsLostSaysWhy(t *testing.T) {
	hold := make(chan struct{})
	r := connectRestarting(t, nil)
	r.admit(func(int, *fakebroker.Session) bool { <-hold; return true })
	defer close(hold)
	r.lose(t)
	ctx, cancel := context.WithTimeout(testContext(t), 20*time.Millisecond)
	defer cancel()
	for name, err := range map[string]error{
		"publish": r.ch.Publish(ctx, &blocking.Publishing{}),
		"request": r.ch.ConfirmSelect(ctx),
	} {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel = context.WithTimeout(testContext(t), 20*time.Millisecond)
	defer cancel()
	var lost *blocking.TransportError
	if err := r.ch.Publish(ctx, &blocking.Publishing{}); !errors.As(err, &lost) {
		t.Errorf("no reason in %v", err)
	}
}

func TestPublishesWaitUntilTheConnectionIsBack(t *testing.T) {
	r := connectRestarting(t, nil)
	r.lose(t)
	for i := range 3 {
		if err := r.ch.Publish(testContext(t), &blocking.Publishing{Body: fmt.Append(nil, i)}); err != nil {
			t.Error(err)
		}
	}
	r.expect(t, "channel.open", "basic.publish 0", "basic.publish 1", "basic.publish 2")
}

func TestAttemptsAreBounded(t *testing.T) {
	r := connectRestarting(t, nil, blocking.WithRecovery(&blocking.Recovery{Attempts: 3}))
	r.admit(func(int, *fakebroker.Session) bool { return false })
	result := make(chan error, 1)
	r.lose(t)
	go func() { result <- r.ch.Publish(testContext(t), &blocking.Publishing{}) }()
	failed, before := await[blocking.RecoveryFailed](t, r)
	attempts := 0
	for _, e := range before {
		if _, ok := e.(blocking.AttemptFailed); ok {
			attempts++
		}
	}
	var dial *blocking.DialError
	if !errors.As(failed.Err, &dial) || attempts != 3 {
		t.Errorf("after %d attempts: %v", attempts, failed.Err)
	}
	if ended, _ := await[blocking.Ended](t, r); !errors.As(ended.Err, &dial) {
		t.Errorf("told the end with %v", ended.Err)
	}
	<-r.conn.Done()
	for name, err := range map[string]error{"a publish that waited": <-result, "the next one": r.ch.Publish(testContext(t), &blocking.Publishing{})} {
		if !errors.Is(err, blocking.ErrClosed) || !errors.As(err, &dial) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := r.conn.Err(); !errors.As(err, &dial) {
		t.Errorf("the connection ended with %v", err)
	}
	<-r.ch.Done()
}

func TestRefusedCredentialsEndRecovery(t *testing.T) {
	r := connectRestarting(t, nil)
	r.admit(func(_ int, s *fakebroker.Session) bool { s.Refuse(); return false })
	r.lose(t)
	if failed, _ := await[blocking.RecoveryFailed](t, r); !errors.Is(failed.Err, blocking.AccessRefused) {
		t.Errorf("recovery failed with %v", failed.Err)
	}
	<-r.conn.Done()
}

func TestCloseEndsRecovery(t *testing.T) {
	for name, gate := range map[string]gate{
		"between attempts": func(int, *fakebroker.Session) bool { return false },
		"during a handshake": func(_ int, s *fakebroker.Session) bool {
			s.Read(make([]byte, 8))
			s.Read(make([]byte, 1))
			return false
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := connectRestarting(t, nil, blocking.WithParams(func(p *blocking.Params) { p.RetryDelay, p.MaxRetryDelay = time.Hour, time.Hour }))
			r.admit(gate)
			r.lose(t)
			if name == "between attempts" {
				await[blocking.AttemptFailed](t, r)
			}
			result := make(chan error, 1)
			go func() { result <- r.ch.Publish(testContext(t), &blocking.Publishing{}) }()
			var lost *blocking.TransportError
			if err := r.conn.Close(testContext(t)); !errors.As(err, &lost) {
				t.Errorf("Close: %v", err)
			}
			if err := <-result; !errors.Is(err, blocking.ErrClosed) {
				t.Errorf("a publish that waited: %v", err)
			}
		})
	}
}

func TestALoopThatIsLeftWhileTheConnectionIsLostIsNotRecovered(t *testing.T) {
	hold := make(chan struct{})
	r := connectRestarting(t, names)
	r.admit(func(int, *fakebroker.Session) bool { <-hold; return true })
	for _, err := range r.ch.Consume(testContext(t), &blocking.Consume{Queue: "q"}) {
		if err != nil {
			t.Fatal(err)
		}
		r.lose(t)
		break
	}
	close(hold)
	await[blocking.Recovered](t, r)
	if err := r.ch.ConfirmSelect(testContext(t)); err != nil {
		t.Error(err)
	}
	consumers := 0 // the loop may be left when its consumer has just been made again
	for got := ""; got != "confirm.select"; {
		switch got = <-r.log; {
		case strings.HasPrefix(got, "basic.consume"):
			consumers++
		case got == "basic.cancel":
			consumers--
		}
	}
	if consumers != 0 {
		t.Errorf("%d consumers are left", consumers)
	}
}

func TestWithoutRecoveryALostConnectionHasEnded(t *testing.T) {
	conn, ch := connect(t, func(s *fakebroker.Session, m wire.Method, _ uint16, _ []byte) { s.Close() })
	result := ch.PublishConfirm(testContext(t), &blocking.Publishing{})
	if !errors.Is(result, blocking.ErrUnknownOutcome) || !errors.Is(result, blocking.ErrClosed) {
		t.Errorf("the publish under way: %v", result)
	}
	<-conn.Done()
	if err := ch.Publish(testContext(t), &blocking.Publishing{}); !errors.Is(err, blocking.ErrClosed) {
		t.Errorf("the next one: %v", err)
	}
}
