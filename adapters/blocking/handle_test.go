package blocking_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/internal/fakebroker"
	"github.com/haypile/haypile/core/wire"
)

// handleAll runs a handler until n messages are settled, and returns what the broker
// was told, sorted, and the error.
func handleAll(t *testing.T, n int, opts *blocking.Handle, fn func(context.Context, *blocking.Delivery) error, conn ...blocking.Option) ([]string, error) {
	t.Helper()
	settled := make(chan string, 100)
	_, ch := connect(t, deliveries(n, settled), conn...)
	ctx, cancel := context.WithCancel(testContext(t))
	var got []string
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range n {
			got = append(got, <-settled)
		}
		cancel()
	}()
	err := ch.Handle(ctx, opts, fn)
	<-done
	if last := <-settled; last != "cancel" {
		t.Errorf("after the messages: %s", last)
	}
	slices.Sort(got)
	return got, err
}

func TestHandlersResultSettlesItsMessage(t *testing.T) {
	events := make(chan blocking.Event, 10)
	got, err := handleAll(t, 5, &blocking.Handle{Consume: blocking.Consume{Queue: "q"}}, func(_ context.Context, d *blocking.Delivery) error {
		switch d.DeliveryTag {
		case 2:
			return errors.New("not now")
		case 3:
			panic("oops")
		case 4:
			return errors.Join(d.Reject(false), errors.New("settled by itself"))
		}
		return nil
	}, blocking.WithEvents(func(e blocking.Event) { events <- e }))
	if want := "[ack 1 ack 5 nack 2 true nack 3 true reject 4 false]"; fmt.Sprint(got) != want {
		t.Errorf("settled %v, want %s", got, want)
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Handle returned %v", err)
	}
	var p *blocking.PanicError
	for _, want := range []string{"not now", "amqp: handler panicked: oops", "settled by itself"} {
		e := (<-events).(blocking.HandlerFailed)
		if e.Err.Error() != want || !e.Requeued {
			t.Errorf("told %v, want %s", e, want)
		}
		if errors.As(e.Err, &p) && !strings.Contains(string(p.Stack), "TestHandlersResult") {
			t.Errorf("the panic's stack: %s", p.Stack)
		}
	}
}

func TestRequeueDecidesAboutFailedMessages(t *testing.T) {
	got, _ := handleAll(t, 3, &blocking.Handle{
		Consume: blocking.Consume{Queue: "q"},
		Requeue: func(d *blocking.Delivery, err error) bool {
			if d.DeliveryTag == 3 {
				panic("the policy")
			}
			return err.Error() == "again"
		},
	}, func(_ context.Context, d *blocking.Delivery) error {
		if d.DeliveryTag == 1 {
			return errors.New("again")
		}
		return errors.New("never")
	}, blocking.WithEvents(func(blocking.Event) {}))
	if want := "[nack 1 true nack 2 false nack 3 false]"; fmt.Sprint(got) != want {
		t.Errorf("settled %v, want %s", got, want)
	}
}

func TestAPanicIsLoggedWhereNobodyListens(t *testing.T) {
	var out bytes.Buffer
	log.SetOutput(&out)
	defer log.SetOutput(os.Stderr)
	got, _ := handleAll(t, 1, &blocking.Handle{Consume: blocking.Consume{Queue: "q"}}, func(context.Context, *blocking.Delivery) error {
		panic("oops")
	})
	if fmt.Sprint(got) != "[nack 1 true]" || !strings.Contains(out.String(), "amqp: handler panicked: oops") || !strings.Contains(out.String(), "handle_test.go") {
		t.Errorf("settled %v, logged %s", got, &out)
	}
}

func TestAHandlerThatEndsItsGoroutineCostsNoWorker(t *testing.T) {
	for name, key := range map[string]func(*blocking.Delivery) string{
		"in any order":      nil,
		"in order of a key": func(*blocking.Delivery) string { return "same" },
	} {
		t.Run(name, func(t *testing.T) {
			events := make(chan blocking.Event, 10)
			got, _ := handleAll(t, 4, &blocking.Handle{Consume: blocking.Consume{Queue: "q"}, Key: key}, func(_ context.Context, d *blocking.Delivery) error {
				if d.DeliveryTag%2 == 1 {
					runtime.Goexit()
				}
				return nil
			}, blocking.WithEvents(func(e blocking.Event) { events <- e }))
			if fmt.Sprint(got) != "[ack 2 ack 4 nack 1 true nack 3 true]" {
				t.Errorf("settled %v", got)
			}
			if e, ok := (<-events).(blocking.HandlerFailed); !ok || e.Delivery.DeliveryTag != 1 || !strings.Contains(e.Err.Error(), "Goexit") {
				t.Errorf("told %v", e)
			}
		})
	}
}

func TestAPanicOfKeyFailsTheMessage(t *testing.T) {
	events := make(chan blocking.Event, 10)
	got, _ := handleAll(t, 3, &blocking.Handle{
		Consume: blocking.Consume{Queue: "q"},
		Key: func(d *blocking.Delivery) string {
			if d.DeliveryTag == 2 {
				panic("no key")
			}
			return ""
		},
	}, func(context.Context, *blocking.Delivery) error { return nil }, blocking.WithEvents(func(e blocking.Event) { events <- e }))
	if fmt.Sprint(got) != "[ack 1 ack 3 nack 2 true]" {
		t.Errorf("settled %v", got)
	}
	if e, ok := (<-events).(blocking.HandlerFailed); !ok || e.Delivery.DeliveryTag != 2 {
		t.Errorf("told %v", e)
	}
}

func TestAMessageThatFailsASecondTimeIsNotRequeued(t *testing.T) {
	settled := make(chan string, 10)
	_, ch := connect(t, func(s *fakebroker.Session, m wire.Method, n uint16, body []byte) {
		if _, ok := m.(*wire.BasicConsume); ok {
			s.Send(n, &wire.BasicConsumeOk{ConsumerTag: "c"}, &wire.BasicDeliver{ConsumerTag: "c", DeliveryTag: 1, Redelivered: true}, "body")
			return
		}
		deliveries(0, settled)(s, m, n, body)
	})
	ctx, cancel := context.WithCancel(testContext(t))
	result := make(chan error, 1)
	go func() {
		result <- ch.Handle(ctx, &blocking.Handle{}, func(context.Context, *blocking.Delivery) error { return errors.New("failed") })
	}()
	if got := <-settled; got != "nack 1 false" {
		t.Errorf("settled: %s", got)
	}
	cancel()
	<-result
}

func TestWorkersWorkAtTheSameTime(t *testing.T) {
	const workers = 4
	var together sync.WaitGroup
	together.Add(workers)
	var most, now atomic.Int32
	got, _ := handleAll(t, 3*workers, &blocking.Handle{Consume: blocking.Consume{Queue: "q"}, Workers: workers}, func(_ context.Context, d *blocking.Delivery) error {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		defer now.Add(-1)
		if d.DeliveryTag <= workers {
			together.Done()
			together.Wait() // ends only if all are here
		}
		return nil
	})
	if len(got) != 3*workers || most.Load() > workers {
		t.Errorf("%v by up to %d workers", got, most.Load())
	}
}

func TestMessagesOfAKeyKeepTheirOrder(t *testing.T) {
	const n, keys = 60, 7
	var mu sync.Mutex
	busy, last := map[uint64]bool{}, map[uint64]uint64{}
	got, _ := handleAll(t, n, &blocking.Handle{
		Consume: blocking.Consume{Queue: "q"}, Workers: 4,
		Key: func(d *blocking.Delivery) string { return fmt.Sprint(d.DeliveryTag % keys) },
	}, func(_ context.Context, d *blocking.Delivery) error {
		key := d.DeliveryTag % keys
		mu.Lock()
		if busy[key] || d.DeliveryTag < last[key] {
			t.Errorf("message %d came while another was worked on (%t), or behind %d", d.DeliveryTag, busy[key], last[key])
		}
		busy[key], last[key] = true, d.DeliveryTag
		mu.Unlock()
		runtime.Gosched()
		mu.Lock()
		busy[key] = false
		mu.Unlock()
		return nil
	})
	if len(got) != n {
		t.Errorf("settled %v", got)
	}
}

func TestABusyKeyDoesNotHoldUpOthers(t *testing.T) {
	others := make(chan struct{})
	var rest atomic.Int32
	got, _ := handleAll(t, 20, &blocking.Handle{
		Consume: blocking.Consume{Queue: "q"}, Workers: 2,
		Key: func(d *blocking.Delivery) string {
			if d.DeliveryTag <= 10 {
				return "busy"
			}
			return d.ConsumerTag + fmt.Sprint(d.DeliveryTag)
		},
	}, func(_ context.Context, d *blocking.Delivery) error {
		if d.DeliveryTag == 1 {
			<-others
		} else if d.DeliveryTag > 10 && rest.Add(1) == 10 {
			close(others)
		}
		return nil
	})
	if len(got) != 20 {
		t.Errorf("settled %v", got)
	}
}

func TestTheEndOfTheContextRequeuesWhatWasNotDone(t *testing.T) {
	settled := make(chan string, 10)
	_, ch := connect(t, deliveries(4, settled))
	ctx, cancel := context.WithCancel(testContext(t))
	err := ch.Handle(ctx, &blocking.Handle{
		Consume: blocking.Consume{Queue: "q"},
		Requeue: func(*blocking.Delivery, error) bool { return false },
		Key:     func(*blocking.Delivery) string { return "one for all" },
	}, func(ctx context.Context, d *blocking.Delivery) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Handle returned %v", err)
	}
	var got []string
	for range 5 {
		got = append(got, <-settled)
	}
	slices.Sort(got)
	if want := "[cancel nack 1 true nack 2 true nack 3 true nack 4 true]"; fmt.Sprint(got) != want {
		t.Errorf("settled %v", got)
	}
}

func TestHandlersEndWithTheirChannel(t *testing.T) {
	for name, test := range map[string]struct {
		messages int
		key      func(*blocking.Delivery) string
	}{
		"with nothing else to do":           {messages: 1},
		"while others wait for a worker":    {messages: 3},
		"while others wait for their key":   {messages: 3, key: func(*blocking.Delivery) string { return "one" }},
		"while more wait than may be taken": {messages: 2000, key: func(*blocking.Delivery) string { return "one" }},
	} {
		t.Run(name, func(t *testing.T) {
			running := make(chan struct{}, test.messages)
			_, ch := connect(t, deliveries(test.messages, make(chan string, 2*test.messages)))
			result := make(chan error, 1)
			go func() {
				opts := &blocking.Handle{Consume: blocking.Consume{Prefetch: blocking.Unlimited}, Key: test.key}
				result <- ch.Handle(testContext(t), opts, func(ctx context.Context, _ *blocking.Delivery) error {
					running <- struct{}{}
					<-ctx.Done()
					return context.Cause(ctx)
				})
			}()
			<-running
			if err := ch.Close(testContext(t)); err != nil {
				t.Error(err)
			}
			if err := <-result; !errors.Is(err, blocking.ErrClosed) {
				t.Errorf("Handle returned %v", err)
			}
			if n := len(running); n > 0 {
				t.Errorf("%d messages were begun that could not be settled any more", n)
			}
		})
	}
}

func TestWrongHandleOptionsAreRefused(t *testing.T) {
	_, ch := connect(t, deliveries(0, nil))
	ok := func(context.Context, *blocking.Delivery) error { return nil }
	for name, err := range map[string]error{
		"no options":       ch.Handle(testContext(t), nil, ok),
		"no handler":       ch.Handle(testContext(t), &blocking.Handle{}, nil),
		"negative workers": ch.Handle(testContext(t), &blocking.Handle{Workers: -1}, ok),
		"no server":        ch.Serve(testContext(t), &blocking.Handle{}, nil),
	} {
		var e *blocking.ConfigError
		if !errors.As(err, &e) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHandlingGoesOnAfterALoss(t *testing.T) {
	for name, reply := range map[string]bool{"without replies": false, "with replies": true} {
		t.Run(name, func(t *testing.T) {
			r := connectRestarting(t, func(n int) answer {
				return func(s *fakebroker.Session, m wire.Method, ch uint16, _ []byte) {
					if _, ok := m.(*wire.BasicConsume); ok {
						s.Send(ch, &wire.BasicConsumeOk{ConsumerTag: "c"}, &wire.BasicDeliver{ConsumerTag: "c", DeliveryTag: 1},
							fakebroker.Content{Properties: wire.Properties{ReplyTo: fmt.Sprint("caller ", n)}, Body: fmt.Sprint(n)})
					}
				}
			})
			ctx, cancel := context.WithCancel(testContext(t))
			defer cancel()
			work := func(_ context.Context, d *blocking.Delivery) (*blocking.Publishing, error) {
				if string(d.Body) == "0" {
					r.lose(t)
				}
				return &blocking.Publishing{Body: append([]byte("re "), d.Body...)}, nil
			}
			result := make(chan error, 1)
			go func() {
				if reply {
					result <- r.ch.Serve(ctx, &blocking.Handle{Consume: blocking.Consume{Queue: "q"}}, work)
					return
				}
				result <- r.ch.Handle(ctx, &blocking.Handle{Consume: blocking.Consume{Queue: "q"}}, func(ctx context.Context, d *blocking.Delivery) error {
					_, err := work(ctx, d)
					return err
				})
			}()
			r.expect(t, "channel.open", "basic.qos 128", "basic.consume q")
			if reply { // to the request that came again, only
				r.expect(t, "basic.publish re 1")
			}
			r.expect(t, "basic.ack 1")
			cancel()
			if err := <-result; !errors.Is(err, context.Canceled) {
				t.Errorf("ended with %v", err)
			}
		})
	}
}
