package blocking_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/internal/fakebroker"
	"github.com/haypile/haypile/core/wire"
)

// holding refuses what is exclusive, on connections after the first, as long as
// something else holds it: for so many times.
func holding(times int) func(n int) answer {
	return func(n int) answer {
		left := 0
		if n > 0 {
			left = times
		}
		refused := func(s *fakebroker.Session, m wire.Method, ch uint16, exclusive bool, code wire.Code) bool {
			if !exclusive || left == 0 {
				return false
			}
			left--
			s.Send(ch, &wire.ChannelClose{ReplyCode: code, ReplyText: "in use", Cause: m.ID()})
			return true
		}
		return func(s *fakebroker.Session, m wire.Method, ch uint16, body []byte) {
			switch m := m.(type) {
			case *wire.QueueDeclare:
				if refused(s, m, ch, m.Exclusive, wire.ResourceLocked) {
					return
				}
			case *wire.BasicConsume:
				if refused(s, m, ch, m.Exclusive, wire.AccessRefused) {
					return
				}
			}
			names(n)(s, m, ch, body)
		}
	}
}

// answering gives each connection one answer for all its methods.
func answering(a func(n int) answer) func(n int) answer {
	var mu sync.Mutex
	of := map[int]answer{}
	return func(n int) answer {
		mu.Lock()
		defer mu.Unlock()
		if of[n] == nil {
			of[n] = a(n)
		}
		return of[n]
	}
}

// failures are the entities that could not be made again.
func failures(before []blocking.Event) (failed []string) {
	for _, e := range before {
		if e, ok := e.(blocking.EntityFailed); ok {
			failed = append(failed, e.Entity.Kind.String())
		}
	}
	return failed
}

func TestAnExclusiveQueueOfTheLostConnectionIsWaitedFor(t *testing.T) {
	for name, test := range map[string]struct {
		times  int
		failed []string
	}{
		"and made when it is free":   {times: 3},
		"for a time that is bounded": {times: 1000, failed: []string{"queue"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := connectRestarting(t, answering(holding(test.times)))
			ctx := testContext(t)
			if _, err := r.ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "mine", Exclusive: true}); err != nil {
				t.Fatal(err)
			}
			if err := r.ch.QueueBind(ctx, &blocking.QueueBind{Queue: "mine", Exchange: "e", RoutingKey: "k"}); err != nil {
				t.Fatal(err)
			}
			r.lose(t)
			_, before := await[blocking.Recovered](t, r)
			if failed := failures(before); !slices.Equal(failed, test.failed) {
				t.Errorf("failed: %v", failed)
			}
			tries := 0
			for m := range r.log {
				if m == "queue.bind mine to e by k" { // behind it, in any case
					break
				}
				if m == `queue.declare "mine"` {
					tries++
				}
			}
			if want := min(test.times, 10) + 1; tries != want {
				t.Errorf("%d tries, want %d", tries, want)
			}
		})
	}
}

func TestAnExclusiveConsumerOfTheLostConnectionIsWaitedFor(t *testing.T) {
	for name, test := range map[string]struct {
		times  int
		failed []string
	}{
		"and started when it is free": {times: 3},
		"for a time that is bounded":  {times: 1000, failed: []string{"consumer"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := connectRestarting(t, answering(holding(test.times)))
			ctx, cancel := context.WithCancel(testContext(t))
			defer cancel()
			got, ended := make(chan string, 10), make(chan error, 1)
			go func() {
				for d, err := range r.ch.Consume(ctx, &blocking.Consume{Queue: "q", Exclusive: true}) {
					if err != nil {
						ended <- err
						return
					}
					got <- string(d.Body)
				}
			}()
			<-got
			r.lose(t)
			_, before := await[blocking.Recovered](t, r)
			if failed := failures(before); !slices.Equal(failed, test.failed) {
				t.Errorf("failed: %v", failed)
			}
			if test.failed != nil {
				if err := <-ended; !errors.Is(err, blocking.AccessRefused) {
					t.Errorf("the loop: %v", err)
				}
				return
			}
			if body := <-got; body != "message of 1" {
				t.Errorf("the loop got %q", body)
			}
		})
	}
}
