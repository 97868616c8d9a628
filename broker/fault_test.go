package broker_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/broker"
	"github.com/haypile/haypile/core/wire"
)

func TestARuleActsOnTheNextMethodsOfItsKindOnly(t *testing.T) {
	checkLeaks(t)
	b := broker.RunT(t)
	conn, ctx := attach(t, b), testContext(t)
	b.Next(2, wire.QueueDeclareID, broker.CloseChannel(wire.AccessRefused, "ACCESS_REFUSED - not today"))
	for range 2 {
		ch, err := conn.Channel(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := ch.ExchangeDeclare(ctx, &blocking.ExchangeDeclare{Exchange: "x", Type: "fanout", Durable: true}); err != nil {
			t.Errorf("a method of another kind: %v", err)
		}
		_, err = ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "q", Durable: true})
		var e *blocking.Error
		if !errors.As(err, &e) || e.Code != wire.AccessRefused || e.Text != "ACCESS_REFUSED - not today" || e.Method != wire.QueueDeclareID {
			t.Errorf("queue.declare: %v", err)
		}
	}
	ch, err := conn.Channel(ctx)
	if err != nil {
		t.Fatal(err)
	}
	makeQueues(t, ch, "q")
}

func TestARuleDecidesByWhatIsAsked(t *testing.T) {
	b := broker.RunT(t)
	ch, ctx := openChannel(t, b, blocking.WithName("tester")), testContext(t)
	var seen *broker.Incoming
	remove := b.On(wire.QueueDeclareID, func(in *broker.Incoming) broker.Action {
		if in.Method.(*wire.QueueDeclare).Queue != "faked" {
			return broker.Pass()
		}
		kept := *in
		seen = &kept
		return broker.Reply(&wire.QueueDeclareOk{Queue: "faked", MessageCount: 7})
	})
	makeQueues(t, ch, "real")
	ok, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "faked", Durable: true})
	if err != nil || ok.MessageCount != 7 {
		t.Errorf("the answer is %+v, %v", ok, err)
	}
	if seen.ProvidedName != "tester" || seen.User != "guest" || seen.VirtualHost != "/" || seen.Channel != 1 || seen.Connection == "" {
		t.Errorf("the rule was told %+v", seen)
	}
	if hasQueue(b, "faked") || !hasQueue(b, "real") {
		t.Errorf("there are %+v", b.State().Queues)
	}
	remove()
	remove()
	makeQueues(t, ch, "faked")
	if !hasQueue(b, "faked") {
		t.Error("the rule acts although it was taken back")
	}
}

func TestADroppedMethodIsNeverAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broker.RunT(t)
		ch := openChannel(t, b)
		b.Next(1, wire.QueueDeclareID, broker.Drop())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "q", Durable: true}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("queue.declare: %v", err)
		}
		if hasQueue(b, "q") {
			t.Error("it was declared")
		}
	})
}

func TestADelayedMethodHoldsUpItsChannelAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broker.RunT(t)
		conn := attach(t, b)
		slow, err := conn.Channel(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		other, err := conn.Channel(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b.Next(1, wire.BasicPublishID, broker.Delay(time.Minute))
		begin := time.Now()
		body := []byte("early")
		if err := slow.Publish(t.Context(), &blocking.Publishing{RoutingKey: "q", Body: body}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		makeQueues(t, other, "q")
		if took := time.Since(begin); took != 0 {
			t.Errorf("another channel waited %s", took)
		}
		ok, err := slow.QueueDeclare(t.Context(), &blocking.QueueDeclare{Queue: "q", Durable: true})
		if err != nil || ok.MessageCount != 1 {
			t.Errorf("behind it: %+v, %v", ok, err)
		}
		if took := time.Since(begin); took < time.Minute {
			t.Errorf("it waited %s", took)
		}
	})
}

func TestAdvanceShortensADelay(t *testing.T) {
	b := broker.RunT(t)
	ch, ctx := openChannel(t, b), testContext(t)
	asked := make(chan struct{})
	b.On(wire.QueueDeclareID, func(*broker.Incoming) broker.Action {
		close(asked)
		return broker.Delay(time.Hour)
	})
	done := make(chan error)
	go func() {
		_, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "q", Durable: true})
		done <- err
	}()
	<-asked
	for !hasQueue(b, "q") { // the rule has been asked, its answer may not be known
		b.Advance(time.Hour)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestAClosedConnectionIsToldWhy(t *testing.T) {
	b := broker.RunT(t)
	ch, ctx := openChannel(t, b), testContext(t)
	b.Next(1, 0, broker.CloseConnection(wire.InternalError, "INTERNAL_ERROR - on purpose"))
	_, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "q", Durable: true})
	var e *blocking.Error
	if !errors.As(err, &e) || e.Code != wire.InternalError || e.Channel != 0 || e.Text != "INTERNAL_ERROR - on purpose" {
		t.Errorf("queue.declare: %v", err)
	}
}

func TestACutConnectionGivesItsMessagesBack(t *testing.T) {
	b := broker.RunT(t)
	ch, ctx := openChannel(t, b), testContext(t)
	makeQueues(t, ch, "q")
	mustPublish(t, ch, "q", "job")
	if d, err := ch.Get(ctx, &blocking.Get{Queue: "q"}); err != nil || d == nil {
		t.Fatal(d, err)
	}
	b.Next(1, wire.QueueDeclareID, broker.Cut())
	var e *blocking.TransportError
	if _, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "other", Durable: true}); !errors.As(err, &e) && !errors.Is(err, blocking.ErrClosed) {
		t.Errorf("queue.declare: %v", err)
	}
	if err := b.WaitReady(ctx, "q", 1); err != nil {
		t.Error(err)
	}
	if err := b.WaitConnections(ctx, 0); err != nil {
		t.Error(err)
	}
}

func TestAConnectionIsRefusedBeforeItOpens(t *testing.T) {
	b := broker.RunT(t)
	b.Next(1, wire.ConnectionOpenID, broker.CloseConnection(wire.NotAllowed, "NOT_ALLOWED - closed today"))
	ctx := testContext(t)
	_, err := blocking.Dial(ctx, memoryURL, inMemory(b))
	var e *blocking.Error
	if !errors.As(err, &e) || e.Code != wire.NotAllowed || e.Text != "NOT_ALLOWED - closed today" {
		t.Errorf("dial: %v", err)
	}
	attach(t, b)
}

func TestMessagesAreRefusedReturnedAndLeftUnconfirmed(t *testing.T) {
	b := broker.RunT(t)
	ch, ctx := openChannel(t, b), testContext(t)
	makeQueues(t, ch, "q")
	send := func(body string, a broker.Action) *blocking.Deferred {
		t.Helper()
		remove := b.On(wire.BasicPublishID, func(in *broker.Incoming) broker.Action {
			if string(in.Message.Body) == body {
				return a
			}
			return broker.Pass()
		})
		t.Cleanup(remove)
		d, err := ch.PublishDeferred(ctx, &blocking.Publishing{RoutingKey: "q", Mandatory: true, Body: []byte(body)})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	withheld := send("withheld", broker.Withhold())
	dropped := send("dropped", broker.Drop())
	nacked := send("nacked", broker.Nack())
	returned := send("returned", broker.Return())
	passed := send("passed", broker.Pass())
	if err := nacked.Wait(ctx); !errors.Is(err, blocking.ErrNacked) {
		t.Errorf("nacked: %v", err)
	}
	var back *blocking.UnroutableError
	if err := returned.Wait(ctx); !errors.As(err, &back) || string(back.Return.Body) != "returned" || back.Return.Code != wire.NoRoute {
		t.Errorf("returned: %v", err)
	}
	if err := passed.Wait(ctx); err != nil {
		t.Errorf("passed: %v", err)
	}
	for name, d := range map[string]*blocking.Deferred{"withheld": withheld, "dropped": dropped} {
		select {
		case <-d.Done():
			t.Errorf("%s: %v", name, d.Err())
		default:
		}
	}
	for _, want := range []string{"withheld", "passed"} {
		if d, err := ch.Get(ctx, &blocking.Get{Queue: "q", NoAck: true}); err != nil || d == nil || string(d.Body) != want {
			t.Errorf("the queue has %v, %v instead of %s", d, err, want)
		}
	}
}

func TestADelayedConnectionOpensLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broker.RunT(t)
		b.Next(1, wire.ConnectionOpenID, broker.Delay(5*time.Second))
		begin := time.Now()
		ch := openChannel(t, b)
		if took := time.Since(begin); took != 5*time.Second {
			t.Errorf("it took %s", took)
		}
		makeQueues(t, ch, "q")
		b.Next(1, wire.ConnectionOpenID, broker.Delay(time.Hour))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := blocking.Dial(ctx, memoryURL, inMemory(b)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dial: %v", err)
		}
	})
}

func TestAReplyThatCannotBeSentFailsTheTest(t *testing.T) {
	fake := &fakeT{TB: t, errors: make(chan string, 10)}
	b := broker.RunT(fake)
	ch, ctx := openChannel(t, b), testContext(t)
	b.Next(1, wire.QueuePurgeID, broker.Reply(&wire.QueueDeclareOk{}))
	go ch.QueuePurge(ctx, &blocking.QueuePurge{Queue: "q"})
	if got := <-fake.errors; !strings.HasPrefix(got, "amqp: broker: the reply of a rule cannot be sent: ") {
		t.Errorf("the test is told %q", got)
	}
	fake.end()
}

func TestARuleMayAskTheBrokerAndTakeItselfBack(t *testing.T) {
	b := broker.RunT(t)
	ch := openChannel(t, b)
	makeQueues(t, ch, "q")
	asked := 0
	var remove func()
	remove = b.On(wire.BasicPublishID, func(*broker.Incoming) broker.Action {
		asked++
		s := b.State()
		if n := s.Queue("/", "q").Ready; n != 1 {
			return broker.Pass()
		}
		remove()
		b.Next(1, wire.BasicPublishID, broker.Nack())
		return broker.Pass()
	})
	for range 2 {
		mustPublish(t, ch, "q", "taken")
	}
	if err := ch.PublishConfirm(testContext(t), &blocking.Publishing{RoutingKey: "q"}); !errors.Is(err, blocking.ErrNacked) {
		t.Errorf("by the rule that the rule made: %v", err)
	}
	if asked != 2 {
		t.Errorf("the rule was asked %d times", asked)
	}
}

func TestARuleMayLookWhileTheBrokerStops(t *testing.T) {
	b := broker.RunT(t)
	ch, ctx := openChannel(t, b), testContext(t)
	inside, stopping := make(chan struct{}), make(chan struct{})
	b.On(wire.BasicPublishID, func(*broker.Incoming) broker.Action {
		close(inside)
		<-stopping // which rules must not do, but for this test
		b.State()
		return broker.Pass()
	})
	if err := ch.Publish(ctx, &blocking.Publishing{RoutingKey: "q"}); err != nil {
		t.Fatal(err)
	}
	<-inside
	stopped := make(chan error)
	go func() { stopped <- b.Stop(ctx) }()
	eventually(t, "nobody gets in any more", func() bool {
		conn, err := b.DialContext(ctx, "", "")
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	close(stopping)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestARuleMayCloseTheConnectionByAHardCode(t *testing.T) {
	b := broker.RunT(t)
	ch := openChannel(t, b)
	b.On(wire.QueueDeclareID, nil) // passes
	b.Next(1, wire.QueueDeclareID, broker.CloseChannel(wire.InternalError, "INTERNAL_ERROR - hard"))
	_, err := ch.QueueDeclare(testContext(t), &blocking.QueueDeclare{Queue: "q", Durable: true})
	var e *blocking.Error
	if !errors.As(err, &e) || e.Channel != 0 || e.Code != wire.InternalError {
		t.Errorf("queue.declare: %v", err)
	}
	if err := b.WaitConnections(testContext(t), 0); err != nil {
		t.Error(err)
	}
}

func TestDelaysKeepTheOrderOfTheirChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broker.RunT(t)
		ch := openChannel(t, b)
		makeQueues(t, ch, "q")
		b.On(wire.BasicPublishID, func(in *broker.Incoming) broker.Action {
			d, err := time.ParseDuration(string(in.Message.Body))
			if err != nil {
				return broker.Pass()
			}
			return broker.Delay(d)
		})
		begin := time.Now()
		var sent []*blocking.Deferred
		for _, body := range []string{"1m", "2m", "30s", "at once"} {
			d, err := ch.PublishDeferred(t.Context(), &blocking.Publishing{RoutingKey: "q", Body: []byte(body)})
			if err != nil {
				t.Fatal(err)
			}
			sent = append(sent, d)
		}
		for i, want := range []time.Duration{time.Minute, 2 * time.Minute, 2 * time.Minute, 2 * time.Minute} {
			if err := sent[i].Wait(t.Context()); err != nil || time.Since(begin) != want {
				t.Errorf("message %d came after %s, not %s: %v", i, time.Since(begin), want, err)
			}
		}
	})
}

func TestWhatIsDelayedEndsWithItsChannel(t *testing.T) {
	b := broker.RunT(t)
	conn, ctx := attach(t, b), testContext(t)
	ch, err := conn.Channel(ctx)
	if err != nil {
		t.Fatal(err)
	}
	makeQueues(t, ch, "q")
	b.Next(1, wire.BasicPublishID, broker.Delay(time.Hour))
	if err := ch.Publish(ctx, &blocking.Publishing{RoutingKey: "q"}); err != nil {
		t.Fatal(err)
	}
	if err := ch.Close(ctx); err != nil {
		t.Fatal(err)
	}
	b.Advance(2 * time.Hour)
	if s := b.State(); s.Queue("/", "q").Ready != 0 {
		t.Error("the message came")
	}
}
