//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package broker_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/broker"
)

// soak is what many clients do with a few queues, and what they know.
type soak struct {
	b   *broker.Broker
	url string

	mu        sync.Mutex
	confirmed map[string]bool
	seen      map[string]bool
	unmarked  map[string]bool // came without being marked as redelivered
	twice     []string        // came again so
}

const (
	soakQueues = 3
	soakLives  = 8 // of each client
)

// TestNothingIsLostAmongManyConnections has publishers and consumers come and go on
// connections that are cut off at any moment, while others delete and purge queues
// beside them.
func TestNothingIsLostAmongManyConnections(t *testing.T) {
	onEachLoop(t, func(t *testing.T, b *broker.Broker) {
		s := &soak{b: b, url: b.URL(), confirmed: make(map[string]bool), seen: make(map[string]bool), unmarked: make(map[string]bool)}
		ch := overTCP(t, b, "")
		for i := range soakQueues {
			makeQueues(t, ch, fmt.Sprint("kept-", i))
		}
		var clients sync.WaitGroup
		for i := range 6 {
			for kind, work := range []func(context.Context, *blocking.Channel, *rand.Rand, string){s.publish, s.consume, s.disturb} {
				clients.Go(func() {
					for life := range soakLives {
						r := rand.New(rand.NewPCG(uint64(i), uint64(life)))
						s.live(t, r, fmt.Sprintf("%d.%d.%d", kind, i, life), work)
					}
				})
			}
		}
		clients.Wait()
		s.drain(t, ch)
	})
}

// live is one connection of a client, which may be cut off while it is at work.
func (s *soak) live(t *testing.T, r *rand.Rand, name string, work func(context.Context, *blocking.Channel, *rand.Rand, string)) {
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	conn, err := blocking.Dial(ctx, s.url, blocking.WithRecovery(nil), blocking.WithName(name))
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close(ctx)
	ch, err := conn.Channel(ctx, blocking.WithConfirmWindow(100))
	if err != nil {
		t.Error(err)
		return
	}
	if r.IntN(2) == 0 {
		cut := time.AfterFunc(time.Duration(r.IntN(20))*time.Millisecond, func() {
			if w := s.b.WireOf(name); w != nil {
				w.Cut()
			}
		})
		defer cut.Stop()
	}
	work(ctx, ch, r, name)
}

// publish publishes messages that no other client does, and notes those that are
// confirmed.
func (s *soak) publish(ctx context.Context, ch *blocking.Channel, r *rand.Rand, name string) {
	waiting := make(map[string]*blocking.Deferred)
	for i := range 100 {
		id := fmt.Sprintf("%s.%d", name, i)
		d, err := ch.PublishDeferred(ctx, &blocking.Publishing{RoutingKey: fmt.Sprint("kept-", r.IntN(soakQueues)), Body: []byte(id), Mandatory: true})
		if err != nil {
			break
		}
		waiting[id] = d
	}
	for id, d := range waiting {
		if d.Wait(ctx) == nil {
			s.mu.Lock()
			s.confirmed[id] = true
			s.mu.Unlock()
		}
	}
}

// consume consumes for a while and settles in any way but one that drops messages.
func (s *soak) consume(ctx context.Context, ch *blocking.Channel, r *rand.Rand, _ string) {
	for range 3 {
		some, cancel := context.WithTimeout(ctx, time.Duration(r.IntN(20))*time.Millisecond)
		for d, err := range ch.Consume(some, &blocking.Consume{Queue: fmt.Sprint("kept-", r.IntN(soakQueues)), Prefetch: 1 + r.IntN(20)}) {
			if err != nil {
				break
			}
			s.note(d, false)
			switch r.IntN(6) {
			case 0:
				_ = d.Nack(true)
			case 1: // comes back when the channel ends
			default:
				_ = d.Ack()
			}
		}
		cancel()
	}
}

// note notes a delivery. Of a message that was taken back from a consumer and given to
// another one, the other may note it first: only two that are not marked tell, or one
// after all consumers have gone.
func (s *soak) note(d *blocking.Delivery, alone bool) {
	id := string(d.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !d.Redelivered {
		if s.unmarked[id] || alone && s.seen[id] {
			s.twice = append(s.twice, id)
		}
		s.unmarked[id] = true
	}
	s.seen[id] = true
}

// disturb makes, purges, deletes and consumes queues that nobody counts on.
func (s *soak) disturb(ctx context.Context, ch *blocking.Channel, r *rand.Rand, _ string) {
	for range 60 {
		queue := fmt.Sprint("scrap-", r.IntN(3))
		var err error
		switch r.IntN(6) {
		case 0:
			_, err = ch.QueueDelete(ctx, &blocking.QueueDelete{Queue: queue})
		case 1:
			_, err = ch.QueuePurge(ctx, &blocking.QueuePurge{Queue: queue})
		case 2:
			some, cancel := context.WithTimeout(ctx, time.Millisecond)
			for d := range ch.Consume(some, &blocking.Consume{Queue: queue, Prefetch: 5}) {
				if d != nil {
					_ = d.Nack(r.IntN(2) == 0)
				}
			}
			cancel()
		default:
			if _, err = ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: queue, Durable: true}); err == nil {
				err = ch.Publish(ctx, &blocking.Publishing{RoutingKey: queue, Body: make([]byte, r.IntN(3000))})
			}
		}
		if err != nil && ch.Err() != nil {
			return
		}
	}
}

// drain takes what is left and compares.
func (s *soak) drain(t *testing.T, ch *blocking.Channel) {
	ctx := testContext(t)
	if err := s.b.WaitConnections(ctx, 1); err != nil {
		t.Fatal(err)
	}
	for i := range soakQueues {
		for {
			d, err := ch.Get(ctx, &blocking.Get{Queue: fmt.Sprint("kept-", i)})
			if err != nil {
				t.Fatal(err)
			}
			if d == nil {
				break
			}
			s.note(d, true)
			if err := d.Ack(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for id := range s.confirmed {
		if !s.seen[id] {
			t.Errorf("%s was confirmed and never came", id)
		}
	}
	if len(s.twice) > 0 {
		t.Errorf("came again as if for the first time: %v", s.twice)
	}
	if len(s.confirmed) == 0 {
		t.Error("nothing was confirmed")
	}
	for i := range 3 {
		if _, err := ch.QueueDelete(ctx, &blocking.QueueDelete{Queue: fmt.Sprint("scrap-", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.b.WaitFor(ctx, func(now *broker.State) bool { return now.Memory == 0 && len(now.Consumers) == 0 }); err != nil {
		t.Error(err)
	}
}
