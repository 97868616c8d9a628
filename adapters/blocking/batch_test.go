package blocking_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/internal/fakebroker"
	"github.com/haypile/haypile/core/wire"
)

// onDemand has a broker deliver to its only consumer what it is told to.
func onDemand(bodies <-chan string, settled chan<- string) answer {
	tag := uint64(0)
	return func(s *fakebroker.Session, m wire.Method, n uint16, body []byte) {
		if _, ok := m.(*wire.BasicConsume); !ok {
			deliveries(0, settled)(s, m, n, body)
			return
		}
		s.Send(n, &wire.BasicConsumeOk{ConsumerTag: "c"})
		go func() {
			for body := range bodies {
				if body == "canceled" {
					s.Send(n, &wire.BasicCancel{ConsumerTag: "c", NoWait: true})
					return
				}
				tag++
				s.Send(n, &wire.BasicDeliver{ConsumerTag: "c", DeliveryTag: tag}, body)
			}
		}()
	}
}

func TestInactivityIsToldAndTheLoopGoesOn(t *testing.T) {
	bodies, settled := make(chan string, 10), make(chan string, 10)
	defer close(bodies)
	_, ch := connect(t, onDemand(bodies, settled))
	idle := 0
	for d, err := range ch.Consume(testContext(t), &blocking.Consume{Queue: "q", Inactivity: time.Millisecond}) {
		switch {
		case errors.Is(err, blocking.ErrInactive):
			if d != nil {
				t.Errorf("with ErrInactive came %v", d)
			}
			if idle++; idle == 3 {
				bodies <- "message"
			}
			continue
		case err != nil:
			t.Fatal(err)
		case string(d.Body) != "message" || idle < 3:
			t.Errorf("%q after %d pauses", d.Body, idle)
		}
		break
	}
}

func TestPriorityIsAnArgument(t *testing.T) {
	arguments := make(chan wire.Table, 1)
	settled := make(chan string, 10)
	_, ch := connect(t, func(s *fakebroker.Session, m wire.Method, n uint16, body []byte) {
		if m, ok := m.(*wire.BasicConsume); ok {
			arguments <- m.Arguments
		}
		deliveries(1, settled)(s, m, n, body)
	})
	own := blocking.Table{"x-stream-offset": "first"}
	for range ch.Consume(testContext(t), &blocking.Consume{Queue: "q", Priority: 7, Arguments: own}) {
		break
	}
	if got := <-arguments; fmt.Sprint(got) != "map[x-priority:7 x-stream-offset:first]" || len(own) != 1 {
		t.Errorf("arguments %v, the caller's %v", got, own)
	}
}

// batches are the bodies of the batches, up to the n-th.
func batches(t *testing.T, ch *blocking.Channel, opts *blocking.Consume, size int, wait time.Duration, n int) (all []string, last error) {
	t.Helper()
	for batch, err := range ch.ConsumeBatches(testContext(t), opts, size, wait) {
		if err != nil {
			return all, err
		}
		var bodies []string
		for _, d := range batch {
			bodies = append(bodies, strings.TrimPrefix(string(d.Body), "message "))
			if err := d.Ack(); err != nil {
				t.Error(err)
			}
		}
		if all = append(all, strings.Join(bodies, "+")); len(all) == n {
			break
		}
	}
	return all, nil
}

func TestBatchesAreFull(t *testing.T) {
	settled := make(chan string, 100)
	_, ch := connect(t, deliveries(8, settled))
	all, err := batches(t, ch, &blocking.Consume{Queue: "q"}, 3, time.Hour, 2)
	if fmt.Sprint(all) != "[1+2+3 4+5+6]" || err != nil {
		t.Errorf("batches %v, %v", all, err)
	}
}

func TestABatchThatIsNotFullComesNevertheless(t *testing.T) {
	settled := make(chan string, 100)
	_, ch := connect(t, deliveries(1, settled))
	all, err := batches(t, ch, &blocking.Consume{Queue: "q"}, 3, time.Millisecond, 1)
	if fmt.Sprint(all) != "[1]" || err != nil {
		t.Errorf("batches %v, %v", all, err)
	}
}

func TestBatchesWithoutWaitTakeWhatIsThere(t *testing.T) {
	bodies, settled := make(chan string), make(chan string, 10)
	defer close(bodies)
	_, ch := connect(t, onDemand(bodies, settled))
	go func() { bodies <- "alone" }()
	all, err := batches(t, ch, &blocking.Consume{Queue: "q"}, 100, 0, 1)
	if fmt.Sprint(all) != "[alone]" || err != nil {
		t.Errorf("batches %v, %v", all, err)
	}
}

func TestABatchComesBeforeTheEndOfItsConsumer(t *testing.T) {
	bodies, settled := make(chan string, 10), make(chan string, 10)
	defer close(bodies)
	_, ch := connect(t, onDemand(bodies, settled))
	for _, body := range []string{"a", "b", "canceled"} {
		bodies <- body
	}
	all, err := batches(t, ch, &blocking.Consume{Queue: "q"}, 10, time.Hour, 2)
	if fmt.Sprint(all) != "[a+b]" || !errors.Is(err, blocking.ErrCanceled) {
		t.Errorf("batches %v, %v", all, err)
	}
}

func TestInactivityIsToldBetweenBatches(t *testing.T) {
	bodies, settled := make(chan string, 10), make(chan string, 10)
	defer close(bodies)
	_, ch := connect(t, onDemand(bodies, settled))
	idle := false
	for batch, err := range ch.ConsumeBatches(testContext(t), &blocking.Consume{Queue: "q", Inactivity: time.Millisecond}, 2, time.Hour) {
		if errors.Is(err, blocking.ErrInactive) {
			if !idle {
				bodies <- "a"
				bodies <- "b"
			}
			idle = true
			continue
		}
		if err != nil || len(batch) != 2 || !idle {
			t.Errorf("%v, %v; idle %t", batch, err, idle)
		}
		break
	}
}

func TestAnUnfinishedBatchIsRequeuedWhenItsContextEnds(t *testing.T) {
	settled, consuming := make(chan string, 10), make(chan struct{})
	_, ch := connect(t, func(s *fakebroker.Session, m wire.Method, n uint16, body []byte) {
		deliveries(2, settled)(s, m, n, body)
		switch m.(type) {
		case *wire.BasicConsume:
			close(consuming)
		case *wire.QueueDeclare:
			s.Send(n, &wire.QueueDeclareOk{})
		}
	})
	ctx, cancel := context.WithCancel(testContext(t))
	go func() {
		defer cancel()
		<-consuming
		if _, err := ch.QueueDeclare(testContext(t), &blocking.QueueDeclare{}); err != nil { // the deliveries come before the answer
			t.Error(err)
		}
	}()
	for batch, err := range ch.ConsumeBatches(ctx, &blocking.Consume{Queue: "q"}, 3, time.Hour) {
		if batch != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("%v, %v", batch, err)
		}
	}
	got := fmt.Sprint(<-settled, ", ", <-settled, ", ", <-settled)
	if got != "cancel, nack 1 true, nack 2 true" {
		t.Errorf("settled: %s", got)
	}
}

func TestABatchThatNeverCouldBeFullIsRefused(t *testing.T) {
	_, ch := connect(t, deliveries(0, nil))
	for name, test := range map[string]struct {
		opts *blocking.Consume
		size int
		wait time.Duration
	}{
		"no options":        {nil, 1, 0},
		"no size":           {&blocking.Consume{}, 0, 0},
		"a negative wait":   {&blocking.Consume{}, 1, -1},
		"too few in flight": {&blocking.Consume{Prefetch: 5}, 6, 0},
		"bodies on loan":    {&blocking.Consume{ReuseBodies: true}, 1, 0},
		"a negative pause":  {&blocking.Consume{Inactivity: -1}, 1, 0},
	} {
		var e *blocking.ConfigError
		if _, err := batches(t, ch, test.opts, test.size, test.wait, 1); !errors.As(err, &e) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestABatchHasNothingOfALostConnection(t *testing.T) {
	consuming := make(chan struct{}, 2)
	r := connectRestarting(t, func(n int) answer {
		return func(s *fakebroker.Session, m wire.Method, ch uint16, body []byte) {
			if _, ok := m.(*wire.BasicConsume); ok {
				deliveries(1+n, nil)(s, m, ch, body)
				consuming <- struct{}{}
			}
		}
	})
	go func() {
		<-consuming
		r.cut <- struct{}{}
	}()
	for batch, err := range r.ch.ConsumeBatches(testContext(t), &blocking.Consume{Queue: "q"}, 2, time.Hour) {
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range batch {
			if err := d.Ack(); err != nil {
				t.Errorf("ack of %q in a batch of %d: %v", d.Body, len(batch), err)
			}
		}
		break
	}
}
