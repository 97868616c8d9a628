package blocking_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/internal/fakebroker"
	"github.com/haypile/haypile/core/wire"
)

const replyTo = "amq.rabbitmq.reply-to"

// replying has a broker answer requests: by their bodies, except that some keys mean
// something else.
func replying(asked chan<- string) answer {
	return func(s *fakebroker.Session, m wire.Method, n uint16, body []byte) {
		switch m := m.(type) {
		case *wire.BasicQos:
			s.Send(n, &wire.BasicQosOk{})
		case *wire.BasicConsume:
			if m.Queue != replyTo || !m.NoAck {
				s.Close()
			}
			s.Send(n, &wire.BasicConsumeOk{ConsumerTag: "replies"})
		case *wire.BasicPublish:
			reply(s, m, n, body)
			if asked != nil {
				asked <- m.RoutingKey
			}
		}
	}
}

func reply(s *fakebroker.Session, m *wire.BasicPublish, n uint16, body []byte) {
	id, _ := s.Properties.CorrelationID()
	to, _ := s.Properties.ReplyTo()
	deliver := &wire.BasicDeliver{ConsumerTag: "replies", DeliveryTag: 1, RoutingKey: to}
	content := fakebroker.Content{Properties: wire.Properties{CorrelationID: id}, Body: "re: " + string(body)}
	switch m.RoutingKey {
	case "nobody":
		if m.Mandatory {
			s.Send(n, &wire.BasicReturn{ReplyCode: wire.NoRoute, ReplyText: "NO_ROUTE", RoutingKey: m.RoutingKey}, content)
		}
	case "silent":
	case "twice":
		s.Send(n, deliver, content, deliver, content)
	case "no exchange":
		s.Send(n, &wire.ChannelClose{ReplyCode: wire.NotFound, ReplyText: "NOT_FOUND", Cause: m.ID()})
	default:
		s.Send(n, deliver, fakebroker.Content{Properties: wire.Properties{CorrelationID: "not ours"}}, deliver, content)
	}
}

func newCaller(t *testing.T, conn *blocking.Conn) *blocking.Caller {
	t.Helper()
	caller, err := conn.Caller(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	return caller
}

func TestManyCallsGetTheirOwnReplies(t *testing.T) {
	conn, _ := connect(t, replying(nil))
	caller := newCaller(t, conn)
	var wg sync.WaitGroup
	for who := range 16 {
		wg.Go(func() {
			for i := range 20 {
				p := &blocking.Publishing{RoutingKey: "service", Body: fmt.Append(nil, who, " ", i), Properties: &blocking.Properties{CorrelationID: "mine"}}
				if i%2 == 0 {
					p.RoutingKey = "twice"
				}
				d, err := caller.Call(testContext(t), p)
				if err != nil {
					t.Error(err)
				} else if want := fmt.Sprint("re: ", who, " ", i); string(d.Body) != want {
					t.Errorf("reply %q, want %q", d.Body, want)
				}
				if p.Properties.CorrelationID != "mine" || p.Properties.ReplyTo != "" {
					t.Errorf("the caller's properties became %v", p.Properties)
				}
			}
		})
	}
	wg.Wait()
	if err := caller.Close(testContext(t)); err != nil {
		t.Error(err)
	}
	if _, err := caller.Call(testContext(t), &blocking.Publishing{}); !errors.Is(err, blocking.ErrClosed) || errors.Is(err, blocking.ErrUnknownOutcome) {
		t.Errorf("after Close: %v", err)
	}
}

func TestUnroutableCallsFailAtOnce(t *testing.T) {
	conn, _ := connect(t, replying(nil))
	caller := newCaller(t, conn)
	var back *blocking.UnroutableError
	_, err := caller.Call(testContext(t), &blocking.Publishing{RoutingKey: "nobody", Body: []byte("hello")})
	if !errors.Is(err, blocking.ErrUnroutable) || !errors.As(err, &back) || string(back.Return.Body) != "re: hello" {
		t.Errorf("call of nobody: %v", err)
	}
	if _, err := caller.Call(testContext(t), &blocking.Publishing{RoutingKey: "service"}); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

func TestACallEndsWithItsContextAndOthersGoOn(t *testing.T) {
	asked := make(chan string, 10)
	conn, _ := connect(t, replying(asked))
	caller := newCaller(t, conn)
	ctx, cancel := context.WithCancel(testContext(t))
	go func() {
		<-asked
		cancel()
	}()
	if _, err := caller.Call(ctx, &blocking.Publishing{RoutingKey: "silent"}); !errors.Is(err, context.Canceled) {
		t.Errorf("call that was canceled: %v", err)
	}
	if _, err := caller.Call(testContext(t), &blocking.Publishing{RoutingKey: "service"}); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

func TestAReplyToACallThatWasGivenUpIsDropped(t *testing.T) {
	asked, late := make(chan struct{}), ""
	conn, _ := connect(t, func(s *fakebroker.Session, m wire.Method, n uint16, body []byte) {
		p, ok := m.(*wire.BasicPublish)
		if !ok || p.RoutingKey != "late" {
			if ok {
				s.Send(n, &wire.BasicDeliver{ConsumerTag: "replies"}, fakebroker.Content{Properties: wire.Properties{CorrelationID: late}, Body: "late"})
			}
			replying(nil)(s, m, n, body)
			return
		}
		late, _ = s.Properties.CorrelationID()
		asked <- struct{}{}
	})
	caller := newCaller(t, conn)
	ctx, cancel := context.WithCancel(testContext(t))
	go func() {
		<-asked
		cancel()
	}()
	if _, err := caller.Call(ctx, &blocking.Publishing{RoutingKey: "late"}); !errors.Is(err, context.Canceled) {
		t.Errorf("the call that was given up: %v", err)
	}
	for range 3 {
		if d, err := caller.Call(testContext(t), &blocking.Publishing{RoutingKey: "service", Body: []byte("next")}); err != nil || string(d.Body) != "re: next" {
			t.Errorf("the next call: %v, %v", d, err)
		}
	}
}

func TestCallsUnderWayEndWithTheirChannelAndLaterOnesGoOn(t *testing.T) {
	asked := make(chan string, 100)
	conn, _ := connect(t, replying(asked))
	caller := newCaller(t, conn)
	result := make(chan error, 1)
	go func() {
		_, err := caller.Call(testContext(t), &blocking.Publishing{RoutingKey: "silent"})
		result <- err
	}()
	<-asked
	_, err := caller.Call(testContext(t), &blocking.Publishing{RoutingKey: "no exchange"})
	for what, err := range map[string]error{"the one that closed it": err, "the one that waited": <-result} {
		if !errors.Is(err, blocking.ErrUnknownOutcome) || !errors.Is(err, blocking.NotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for range 5 {
		if d, err := caller.Call(testContext(t), &blocking.Publishing{RoutingKey: "service", Body: []byte("next")}); err != nil || string(d.Body) != "re: next" {
			t.Fatalf("a later one: %v, %v", d, err)
		}
		if _, err := caller.Call(testContext(t), &blocking.Publishing{RoutingKey: "no exchange"}); !errors.Is(err, blocking.NotFound) {
			t.Errorf("a later mistake: %v", err)
		}
	}
	if err := caller.Close(testContext(t)); err != nil {
		t.Error(err)
	}
}

func TestCallsSurviveALoss(t *testing.T) {
	asked := make(chan string, 10)
	r := connectRestarting(t, func(int) answer { return replying(asked) }, blocking.WithRecovery(&blocking.Recovery{Republish: true}))
	caller := newCaller(t, r.conn)
	result := make(chan error, 1)
	go func() {
		_, err := caller.Call(testContext(t), &blocking.Publishing{RoutingKey: "silent"})
		result <- err
	}()
	<-asked
	r.lose(t)
	if err := <-result; !errors.Is(err, blocking.ErrUnknownOutcome) {
		t.Errorf("the call under way: %v", err)
	}
	d, err := caller.Call(testContext(t), &blocking.Publishing{RoutingKey: "service", Body: []byte("again")})
	if err != nil || string(d.Body) != "re: again" {
		t.Errorf("the next one: %v, %v", d, err)
	}
}

func TestWrongCallsAreRefused(t *testing.T) {
	conn, _ := connect(t, replying(nil))
	caller := newCaller(t, conn)
	for name, p := range map[string]*blocking.Publishing{
		"nil":            nil,
		"raw properties": {RawProperties: blocking.RawProperties{0, 0}},
	} {
		var e *blocking.ConfigError
		if _, err := caller.Call(testContext(t), p); !errors.As(err, &e) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestABrokerWithoutDirectReplyToIsToldOf(t *testing.T) {
	conn, _ := connect(t, func(s *fakebroker.Session, m wire.Method, n uint16, _ []byte) {
		switch m.(type) {
		case *wire.BasicQos:
			s.Send(n, &wire.BasicQosOk{})
		case *wire.BasicConsume:
			s.Send(n, &wire.ChannelClose{ReplyCode: wire.NotFound, ReplyText: "NOT_FOUND", Cause: m.ID()})
		}
	})
	if caller, err := conn.Caller(testContext(t)); caller != nil || !errors.Is(err, blocking.NotFound) {
		t.Errorf("%v, %v", caller, err)
	}
}

func TestServeRepliesBeforeItAcknowledges(t *testing.T) {
	log := make(chan string, 10)
	_, ch := connect(t, func(s *fakebroker.Session, m wire.Method, n uint16, body []byte) {
		switch m := m.(type) {
		case *wire.BasicQos:
			s.Send(n, &wire.BasicQosOk{})
		case *wire.BasicConsume:
			s.Send(n, &wire.BasicConsumeOk{ConsumerTag: "c"})
			for tag, to := range []string{"amq.rabbitmq.reply-to.x", "", "elsewhere"} {
				s.Send(n, &wire.BasicDeliver{ConsumerTag: "c", DeliveryTag: uint64(tag + 1)}, fakebroker.Content{Properties: wire.Properties{ReplyTo: to, CorrelationID: fmt.Sprint("id ", tag+1)}})
			}
		case *wire.BasicCancel:
			s.Send(n, &wire.BasicCancelOk{})
		case *wire.BasicPublish:
			id, _ := s.Properties.CorrelationID()
			kind, _ := s.Properties.Type()
			log <- fmt.Sprintf("publish %q to %q %q for %s of %s", body, m.Exchange, m.RoutingKey, id, kind)
		case *wire.BasicAck:
			log <- fmt.Sprint("ack ", m.DeliveryTag)
		case *wire.BasicNack:
			log <- fmt.Sprint("nack ", m.DeliveryTag, m.Requeue)
		}
	})
	ctx, cancel := context.WithCancel(testContext(t))
	result := make(chan error, 1)
	go func() {
		result <- ch.Serve(ctx, &blocking.Handle{Consume: blocking.Consume{Queue: "q"}}, func(_ context.Context, d *blocking.Delivery) (*blocking.Publishing, error) {
			if d.DeliveryTag == 3 {
				return nil, errors.New("failed")
			}
			return &blocking.Publishing{Exchange: "dropped", Body: []byte("reply"), Properties: &blocking.Properties{Type: "answer"}}, nil
		})
	}()
	for _, want := range []string{`publish "reply" to "" "amq.rabbitmq.reply-to.x" for id 1 of answer`, "ack 1", "ack 2", "nack 3 true"} {
		if got := <-log; got != want {
			t.Errorf("the broker got %s, want %s", got, want)
		}
	}
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("Serve returned %v", err)
	}
}
