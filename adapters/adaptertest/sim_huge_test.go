package adaptertest_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/adaptertest"
	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/core"
)

// till is a broker that notes of each message the byte that all of it is, 0 for one
// that is not of one byte.
type till struct {
	shop
	mu  sync.Mutex
	got []byte
}

func (b *till) OnChannel(*core.Conn, *core.Channel) core.ServerChannelHandler {
	return &noting{counter{shop: &b.shop}, b}
}

type noting struct {
	counter
	till *till
}

func (n *noting) OnPublish(_ *core.Channel, p *core.Published) {
	c := p.Body[0]
	if bytes.Count(p.Body, p.Body[:1]) != len(p.Body) {
		c = 0
	}
	n.till.mu.Lock()
	defer n.till.mu.Unlock()
	n.till.got = append(n.till.got, c)
}

// came are the messages since it was asked before, when all have come.
func (b *till) came() []byte {
	time.Sleep(10 * time.Second) // of virtual time: nothing here takes so long
	b.mu.Lock()
	defer b.mu.Unlock()
	got := b.got
	b.got = nil
	return got
}

// On this network, a huge message takes a quarter of a second.
var narrow = adaptertest.SimConfig{Latency: 10 * time.Millisecond, Bandwidth: 2 << 20}

func publishHuge(ctx context.Context, ch *blocking.Channel, c byte) error {
	body := bytes.Repeat([]byte{c}, 512<<10)
	defer clear(body) // it is ours again
	return ch.Publish(ctx, &blocking.Publishing{Body: body})
}

// Whenever its context ends, a huge message is not sent, which the error says, or
// comes once and whole, and its publisher is kept no longer.
func TestHugeMessagesOfContextsThatEndComeWholeOrNotAtAll(t *testing.T) {
	inBubble(t, narrow, func(t *testing.T, sim *adaptertest.Sim) {
		b := &till{}
		serveBy(t, sim, address, func() core.ServerHandler { return b })
		_, ch := dialBlocking(t.Context(), t, sim)
		for after := time.Duration(0); after < 700*time.Millisecond; after += 20 * time.Millisecond {
			var all sync.WaitGroup
			var first, second error
			begin := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), after)
			all.Go(func() { first = publishHuge(ctx, ch, 1) })
			all.Go(func() { second = publishHuge(ctx, ch, 2) }) // waits for the other, or the other for it
			all.Wait()
			cancel()
			if took := time.Since(begin); took > after+time.Millisecond {
				t.Errorf("publishers whose context ended after %s were kept for %s", after, took)
			}
			var want []byte
			for c, err := range map[byte]error{1: first, 2: second} {
				if err == nil {
					want = append(want, c)
				} else if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("after %s: %v", after, err)
				}
			}
			got := b.came()
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("after %s, of %v there came %v", after, want, got)
			}
		}
	})
}

// Whenever its connection is lost, its publisher has its memory back, and what came of
// the message is whole.
func TestHugeMessagesOfConnectionsThatAreLostComeWholeOrNotAtAll(t *testing.T) {
	inBubble(t, narrow, func(t *testing.T, sim *adaptertest.Sim) {
		b := &till{}
		serveBy(t, sim, address, func() core.ServerHandler { return b })
		for after := time.Duration(0); after < 400*time.Millisecond; after += 20 * time.Millisecond {
			conn, ch := dialBlocking(t.Context(), t, sim)
			time.AfterFunc(after, sim.Conns()[0].Cut)
			if err := publishHuge(t.Context(), ch, 1); err != nil && !errors.Is(err, blocking.ErrClosed) {
				t.Errorf("cut after %s: %v", after, err)
			}
			if got := b.came(); len(got) > 0 && !slices.Equal(got, []byte{1}) {
				t.Errorf("cut after %s, there came %v", after, got)
			}
			<-conn.Done()
		}
	})
}
