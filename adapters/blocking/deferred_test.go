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

// withheld has a broker tell of publishes and confirm them when it is told to.
func withheld(got chan<- string, confirms <-chan wire.Method) answer {
	return func(s *fakebroker.Session, m wire.Method, n uint16, body []byte) {
		switch m.(type) {
		case *wire.ConfirmSelect:
			s.Send(n, &wire.ConfirmSelectOk{})
			go func() {
				for c := range confirms {
					s.Send(n, c)
				}
			}()
		case *wire.BasicPublish:
			got <- string(body)
		case *wire.QueueDeclare:
			s.Send(n, &wire.QueueDeclareOk{})
		}
	}
}

func TestDeferredOutcomesComeInAnyOrderAndAllAtOnce(t *testing.T) {
	got, confirms := make(chan string, 10), make(chan wire.Method)
	defer close(confirms)
	_, ch := connect(t, withheld(got, confirms))
	ctx := testContext(t)
	var all []*blocking.Deferred
	for i := range 5 {
		d, err := ch.PublishDeferred(ctx, &blocking.Publishing{Body: fmt.Append(nil, i)})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
	}
	for i := range 5 {
		if body := <-got; body != fmt.Sprint(i) {
			t.Errorf("publish %d is %q", i, body)
		}
	}
	short, cancel := context.WithCancel(ctx)
	cancel()
	if err := all[0].Wait(short); !errors.Is(err, context.Canceled) || all[0].Err() != nil {
		t.Errorf("before the confirm: %v, %v", err, all[0].Err())
	}
	confirms <- &wire.BasicNack{DeliveryTag: 2}
	if err := all[1].Wait(ctx); !errors.Is(err, blocking.ErrNacked) || all[1].Err() != err {
		t.Errorf("the nacked one: %v, %v", err, all[1].Err())
	}
	confirms <- &wire.BasicAck{DeliveryTag: 4, Multiple: true}
	for _, i := range []int{0, 2, 3} {
		<-all[i].Done()
		if err := all[i].Err(); err != nil {
			t.Errorf("the acked one, number %d: %v", i, err)
		}
	}
	select {
	case <-all[4].Done():
		t.Error("the last one has an outcome")
	default:
	}
	if err := ch.Close(ctx); err != nil {
		t.Error(err)
	}
	if err := all[4].Wait(ctx); !errors.Is(err, blocking.ErrUnknownOutcome) {
		t.Errorf("the last one, after the channel's end: %v", err)
	}
}

func TestAllKindsOfPublishesOfAGoroutineKeepTheirOrder(t *testing.T) {
	got := make(chan string, 1000)
	seq := uint64(0)
	_, ch := connect(t, func(s *fakebroker.Session, m wire.Method, n uint16, body []byte) {
		switch m.(type) {
		case *wire.ConfirmSelect:
			s.Send(n, &wire.ConfirmSelectOk{})
		case *wire.BasicPublish:
			seq++
			s.Send(n, &wire.BasicAck{DeliveryTag: seq})
			got <- string(body)
		}
	})
	ctx := testContext(t)
	if err := ch.ConfirmSelect(ctx); err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		p := &blocking.Publishing{Body: fmt.Append(nil, i)}
		var err error
		switch {
		case i%3 == 0:
			err = ch.Publish(ctx, p)
		case i%50 == 1:
			err = ch.PublishConfirm(ctx, p)
		default:
			_, err = ch.PublishDeferred(ctx, p)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 300 {
		if body := <-got; body != fmt.Sprint(i) {
			t.Fatalf("publish %d is %q", i, body)
		}
	}
}

// open opens one more channel.
func open(t *testing.T, conn *blocking.Conn, opts ...blocking.ChannelOption) *blocking.Channel {
	t.Helper()
	ch, err := conn.Channel(testContext(t), opts...)
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

func TestWindowBoundsWhatIsUnconfirmed(t *testing.T) {
	got, confirms := make(chan string, 10), make(chan wire.Method)
	defer close(confirms)
	conn, _ := connect(t, withheld(got, confirms))
	ch := open(t, conn, blocking.WithConfirmWindow(2))
	ctx := testContext(t)
	for range 2 {
		if _, err := ch.PublishDeferred(ctx, &blocking.Publishing{}); err != nil {
			t.Fatal(err)
		}
		<-got
	}
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if _, err := ch.PublishDeferred(short, &blocking.Publishing{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with a full window: %v", err)
	}
	if err := ch.Publish(ctx, &blocking.Publishing{}); err != nil || <-got != "" {
		t.Errorf("a publish without confirm: %v", err)
	}
	confirms <- &wire.BasicAck{DeliveryTag: 1}
	third, err := ch.PublishDeferred(ctx, &blocking.Publishing{Body: []byte("third")})
	if err != nil || <-got != "third" {
		t.Errorf("after one confirm: %v", err)
	}
	if err := ch.PublishConfirm(ctx, nil); err == nil {
		t.Error("nil was published")
	}
	waiting := make(chan error, 1)
	go func() { waiting <- ch.PublishConfirm(ctx, &blocking.Publishing{}) }()
	if err := ch.Close(ctx); err != nil {
		t.Error(err)
	}
	if err := <-waiting; !errors.Is(err, blocking.ErrClosed) {
		t.Errorf("one that waited when the channel ended: %v", err)
	}
	if err := third.Err(); !errors.Is(err, blocking.ErrUnknownOutcome) {
		t.Errorf("one that was sent: %v", err)
	}
}

func TestWindowIsSharedByManyPublishers(t *testing.T) {
	conn, _ := connect(t, func(s *fakebroker.Session, m wire.Method, n uint16, _ []byte) {
		switch m.(type) {
		case *wire.ConfirmSelect:
			s.Send(n, &wire.ConfirmSelectOk{})
		case *wire.BasicPublish:
			s.Send(n, &wire.BasicAck{Multiple: true}) // all there are
		}
	})
	ch := open(t, conn, blocking.WithConfirmWindow(3))
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 100 {
				if err := ch.PublishConfirm(testContext(t), &blocking.Publishing{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestFailFastPublishesDoNotWait(t *testing.T) {
	got, confirms := make(chan string, 10), make(chan wire.Method)
	defer close(confirms)
	hold := withheld(got, confirms)
	conn, other := connect(t, func(s *fakebroker.Session, m wire.Method, n uint16, body []byte) {
		if d, ok := m.(*wire.QueueDeclare); ok {
			switch d.Queue {
			case "blocked":
				s.Send(0, &wire.ConnectionBlocked{Reason: "memory"})
			case "free":
				s.Send(0, &wire.ConnectionUnblocked{})
			case "flow off", "flow on":
				s.Send(n+1, &wire.ChannelFlow{Active: d.Queue == "flow on"})
			}
		}
		hold(s, m, n, body)
	})
	ch := open(t, conn, blocking.WithFailFast(), blocking.WithConfirmWindow(1))
	ctx := testContext(t)
	declare := func(name string) {
		t.Helper()
		if _, err := other.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: name}); err != nil {
			t.Fatal(err)
		}
	}
	declare("blocked")
	if err := ch.Publish(ctx, &blocking.Publishing{}); !errors.Is(err, blocking.ErrBackpressure) {
		t.Errorf("while the connection is blocked: %v", err)
	}
	declare("still answered")
	declare("free")
	declare("flow off")
	if err := ch.Publish(ctx, &blocking.Publishing{}); !errors.Is(err, blocking.ErrBackpressure) {
		t.Errorf("while the channel's flow is off: %v", err)
	}
	if err := other.Publish(ctx, &blocking.Publishing{}); err != nil {
		t.Errorf("on another channel: %v", err)
	}
	declare("flow on")
	if err := ch.Publish(ctx, &blocking.Publishing{}); err != nil {
		t.Errorf("after that: %v", err)
	}
	if _, err := ch.PublishDeferred(ctx, &blocking.Publishing{}); err != nil {
		t.Errorf("the first of the window: %v", err)
	}
	if err := ch.PublishConfirm(ctx, &blocking.Publishing{}); !errors.Is(err, blocking.ErrBackpressure) {
		t.Errorf("the second of the window: %v", err)
	}
}

func TestFailFastPublishesDoNotWaitForALostConnection(t *testing.T) {
	hold := make(chan struct{})
	r := connectRestarting(t, nil)
	ch := open(t, r.conn, blocking.WithFailFast())
	r.admit(func(int, *fakebroker.Session) bool { <-hold; return true })
	r.lose(t)
	ctx := testContext(t)
	_, deferred := ch.PublishDeferred(ctx, &blocking.Publishing{})
	for call, err := range map[string]error{
		"Publish": ch.Publish(ctx, &blocking.Publishing{}), "PublishConfirm": ch.PublishConfirm(ctx, &blocking.Publishing{}), "PublishDeferred": deferred,
	} {
		if !errors.Is(err, blocking.ErrBackpressure) {
			t.Errorf("%s: %v", call, err)
		}
	}
	close(hold)
	await[blocking.Recovered](t, r)
	if err := ch.Publish(ctx, &blocking.Publishing{}); err != nil {
		t.Errorf("after the recovery: %v", err)
	}
}

func TestWrongChannelOptionsAreRefused(t *testing.T) {
	conn, _ := connect(t, deliveries(0, nil))
	var e *blocking.ConfigError
	if ch, err := conn.Channel(testContext(t), blocking.WithConfirmWindow(-1)); ch != nil || !errors.As(err, &e) {
		t.Errorf("window of -1: %v, %v", ch, err)
	}
}

func TestAWindowIsFreeAgainAfterALoss(t *testing.T) {
	published := make(chan struct{}, 1)
	r := connectRestarting(t, confirming(published))
	ch := open(t, r.conn, blocking.WithConfirmWindow(1))
	ctx := testContext(t)
	d, err := ch.PublishDeferred(ctx, &blocking.Publishing{})
	if err != nil {
		t.Fatal(err)
	}
	<-published
	r.lose(t)
	if err := d.Wait(ctx); !errors.Is(err, blocking.ErrUnknownOutcome) {
		t.Errorf("the one under way: %v", err)
	}
	if err := ch.PublishConfirm(ctx, &blocking.Publishing{}); err != nil {
		t.Errorf("the next one: %v", err)
	}
}

func TestAHandleHasOneDoneWheneverItIsAskedFor(t *testing.T) {
	got, confirms := make(chan string, 10), make(chan wire.Method)
	defer close(confirms)
	_, ch := connect(t, withheld(got, confirms))
	ctx := testContext(t)
	publish := func() *blocking.Deferred {
		t.Helper()
		d, err := ch.PublishDeferred(ctx, &blocking.Publishing{})
		if err != nil {
			t.Fatal(err)
		}
		<-got
		return d
	}
	asked, waited, ignored := publish(), publish(), publish()
	before := asked.Done()
	if asked.Done() != before {
		t.Error("the second Done before the outcome is another")
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { <-waited.Done() })
		wg.Go(func() {
			if err := waited.Wait(ctx); !errors.Is(err, blocking.ErrNacked) {
				t.Errorf("one of those that wait: %v", err)
			}
		})
	}
	confirms <- &wire.BasicNack{DeliveryTag: 3, Multiple: true}
	wg.Wait()
	if err := ignored.Wait(ctx); !errors.Is(err, blocking.ErrNacked) {
		t.Errorf("one that was not waited for: %v", err)
	}
	for name, d := range map[string]*blocking.Deferred{"asked for before": asked, "waited for before": waited, "ignored before": ignored} {
		after := d.Done()
		<-after
		if d.Done() != after {
			t.Errorf("%s: a second Done after the outcome is another", name)
		}
	}
	if asked.Done() != before {
		t.Error("Done after the outcome is another than before")
	}
}

func TestASettledHandleTellsItsOutcomeAlsoToACanceledWait(t *testing.T) {
	got, confirms := make(chan string, 1), make(chan wire.Method)
	defer close(confirms)
	_, ch := connect(t, withheld(got, confirms))
	ctx, cancel := context.WithCancel(testContext(t))
	d, err := ch.PublishDeferred(ctx, &blocking.Publishing{})
	if err != nil {
		t.Fatal(err)
	}
	confirms <- &wire.BasicNack{DeliveryTag: 1}
	<-d.Done()
	cancel()
	if err := d.Wait(ctx); !errors.Is(err, blocking.ErrNacked) || d.Err() != err {
		t.Errorf("%v, %v", err, d.Err())
	}
}

func TestAConfirmThatWasGivenUpIsNobodyElses(t *testing.T) {
	got, confirms := make(chan string, 1), make(chan wire.Method)
	defer close(confirms)
	_, ch := connect(t, withheld(got, confirms))
	ctx := testContext(t)
	tag := uint64(0)
	for range 20 {
		short, cancel := context.WithCancel(ctx)
		gone := make(chan error)
		go func() { gone <- ch.PublishConfirm(short, &blocking.Publishing{}) }()
		<-got
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Fatalf("one that was given up: %v", err)
		}
		waiting := make(chan error)
		go func() { waiting <- ch.PublishConfirm(ctx, &blocking.Publishing{}) }()
		<-got
		confirms <- &wire.BasicNack{DeliveryTag: tag + 1}
		confirms <- &wire.BasicAck{DeliveryTag: tag + 2}
		if err := <-waiting; err != nil {
			t.Fatalf("the next one: %v", err)
		}
		tag += 2
	}
}
