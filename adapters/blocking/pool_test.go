package blocking_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/internal/fakebroker"
	"github.com/haypile/haypile/core/wire"
)

// pooling is a broker for pools: it confirms all, closes channels over the
// exchange "none", and takes down what came where.
type pooling struct {
	mu    sync.Mutex
	came  map[string][]string // bodies, by connection and channel
	conns []*fakebroker.Session
	used  map[int]string // what connections were used for
}

func (b *pooling) open(n int, s *fakebroker.Session) {
	b.mu.Lock()
	b.conns = append(b.conns, s)
	b.mu.Unlock()
	if !s.Handshake() {
		return
	}
	tags := map[uint16]uint64{} // of channels in confirm mode, the next one
	s.Serve(func(m wire.Method, channel uint16, body []byte) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch m := m.(type) {
		case *wire.BasicPublish:
			if m.Exchange == "none" {
				delete(tags, channel)
				s.Send(channel, &wire.ChannelClose{ReplyCode: wire.NotFound, ReplyText: "NOT_FOUND"})
				return
			}
			b.used[n] += "p"
			where := fmt.Sprint(n, "/", channel)
			b.came[where] = append(b.came[where], string(body))
			if tag := tags[channel]; tag > 0 {
				tags[channel]++
				s.Send(channel, &wire.BasicAck{DeliveryTag: tag})
			}
		case *wire.ConfirmSelect:
			tags[channel] = 1
			s.Send(channel, &wire.ConfirmSelectOk{})
		case *wire.BasicConsume:
			b.used[n] += "c"
			s.Send(channel, &wire.BasicConsumeOk{ConsumerTag: "tag"}, &wire.BasicDeliver{ConsumerTag: "tag", DeliveryTag: 1}, "body")
		default:
			obey(s, m, channel)
		}
	})
}

func (b *pooling) set(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
}

// spread is on how many connections, and channels in all, messages came.
func (b *pooling) spread() (conns, channels int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.used), len(b.came)
}

func dialPool(t *testing.T, size blocking.PoolSize, opts ...blocking.Option) (*pooling, *blocking.Pool) {
	t.Helper()
	checkGoroutines(t)
	b := &pooling{came: map[string][]string{}, used: map[int]string{}}
	addr := fakebroker.Start(t, b.open)
	ctx := testContext(t)
	p, err := blocking.DialPool(ctx, "amqp://"+addr, size, append([]blocking.Option{patiently()}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close(ctx) })
	return b, p
}

func TestPoolSpreadsOverConnectionsAndChannels(t *testing.T) {
	b, p := dialPool(t, blocking.PoolSize{Connections: 2, Channels: 3})
	ctx := testContext(t)
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			if err := p.PublishConfirm(ctx, &blocking.Publishing{RoutingKey: "k", Body: fmt.Append(nil, i)}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if conns, channels := b.spread(); conns != 2 || channels != 6 {
		t.Errorf("spread over %d connections and %d channels", conns, channels)
	}
	eventually(t, "all counted", func() bool { s := p.Stats(); return s.Confirmed == 200 && s.Channels == 6 })
}

func TestPoolKeepsTheOrderOfARoutingKey(t *testing.T) {
	b, p := dialPool(t, blocking.PoolSize{Connections: 2})
	ctx := testContext(t)
	for i := range 100 {
		for key := range 10 {
			if err := p.Publish(ctx, &blocking.Publishing{RoutingKey: fmt.Sprint(key), Body: fmt.Appendf(nil, "%d:%d", key, i)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	eventually(t, "all came", func() bool { return p.Stats().Published == 1000 })
	if err := p.Close(ctx); err != nil {
		t.Fatal(err)
	}
	next := map[int]int{}
	for _, bodies := range b.came {
		for _, body := range bodies {
			var key, i int
			fmt.Sscanf(body, "%d:%d", &key, &i)
			if i != next[key] {
				t.Fatalf("message %d of key %d came as number %d", i, key, next[key])
			}
			next[key]++
		}
	}
	if len(next) != 10 {
		t.Errorf("%d keys came", len(next))
	}
}

func TestPoolReplacesAChannelThatTheBrokerClosed(t *testing.T) {
	_, p := dialPool(t, blocking.PoolSize{Channels: 2})
	ctx := testContext(t)
	for range 5 {
		err := p.PublishConfirm(ctx, &blocking.Publishing{Exchange: "none"})
		if !errors.Is(err, blocking.ErrUnknownOutcome) || !errors.Is(err, blocking.NotFound) {
			t.Errorf("to an exchange that does not exist: %v", err)
		}
		for range 4 {
			if err := p.PublishConfirm(ctx, &blocking.Publishing{RoutingKey: "k"}); err != nil {
				t.Errorf("after that: %v", err)
			}
		}
	}
}

func TestPoolConsumesOnAConnectionThatNeverPublishes(t *testing.T) {
	b, p := dialPool(t, blocking.PoolSize{}, blocking.WithName("shop"))
	ctx := testContext(t)
	if err := p.PublishConfirm(ctx, &blocking.Publishing{RoutingKey: "k"}); err != nil {
		t.Fatal(err)
	}
	conn, err := p.Consumers(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := p.Consumers(ctx); again != conn || err != nil {
		t.Errorf("the second call gave %p, %v, the first %p", again, err, conn)
	}
	ch, err := conn.Channel(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range ch.Consume(ctx, &blocking.Consume{Queue: "q"}) {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.used) != 2 || b.used[0] != "p" || b.used[1] != "c" {
		t.Errorf("connections were used for %v", b.used)
	}
}

func TestPoolGoesOnWithTheConnectionsThatAreLeft(t *testing.T) {
	b, p := dialPool(t, blocking.PoolSize{Connections: 2, Channels: 2}, blocking.WithRecovery(nil))
	ctx := testContext(t)
	b.mu.Lock()
	b.conns[0].Close()
	b.mu.Unlock()
	for range 20 {
		err := p.PublishConfirm(ctx, &blocking.Publishing{RoutingKey: "k"})
		if err != nil && !errors.Is(err, blocking.ErrUnknownOutcome) {
			t.Errorf("with one of two connections: %v", err)
		}
		if err := p.Publish(ctx, &blocking.Publishing{RoutingKey: "k"}); err != nil {
			t.Errorf("with one of two connections: %v", err)
		}
	}
	if err := p.PublishConfirm(ctx, &blocking.Publishing{RoutingKey: "k"}); err != nil {
		t.Error(err)
	}
	p.Close(ctx) // says how the first one ended
	if err := p.PublishConfirm(ctx, &blocking.Publishing{}); !errors.Is(err, blocking.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
	if _, err := p.Consumers(ctx); !errors.Is(err, blocking.ErrClosed) {
		t.Errorf("consumers after the end: %v", err)
	}
}

// alarm tells the connections for publishing of a resource alarm, or of its end.
func (b *pooling) alarm(m wire.Method) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for n, s := range b.conns {
		if b.used[n] == "p" {
			s.Send(0, m)
		}
	}
}

func TestPoolsPublishersWaitForTheEndOfAnAlarmAndItsConsumersDoNot(t *testing.T) {
	var blocked atomic.Int32
	b, p := dialPool(t, blocking.PoolSize{Connections: 2, Channels: 1}, blocking.WithEvents(func(e blocking.Event) {
		if _, ok := e.(blocking.Blocked); ok {
			blocked.Add(1)
		}
	}))
	ctx := testContext(t)
	for range 2 {
		if err := p.PublishConfirm(ctx, &blocking.Publishing{RoutingKey: "k"}); err != nil {
			t.Fatal(err)
		}
	}
	b.set(func() { b.used = map[int]string{0: "p", 1: "p"} })
	b.alarm(&wire.ConnectionBlocked{Reason: "memory"})
	eventually(t, "the alarm on both", func() bool { return blocked.Load() == 2 })
	consuming, err := p.Consumers(ctx)
	if err != nil {
		t.Fatal(err)
	}
	held := make(chan error, 2)
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if err := p.PublishConfirm(short, &blocking.Publishing{RoutingKey: "k"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a publish during the alarm: %v", err)
	}
	go func() { held <- p.PublishConfirm(ctx, &blocking.Publishing{RoutingKey: "k"}) }()
	go func() { held <- p.Publish(ctx, &blocking.Publishing{RoutingKey: "k"}) }()
	ch := open(t, consuming)
	for d, err := range ch.Consume(ctx, &blocking.Consume{Queue: "q"}) {
		if err != nil || d.Ack() != nil {
			t.Fatal(err)
		}
		break
	}
	eventually(t, "the ack", func() bool { return consuming.Stats().Acked == 1 && consuming.Stats().Buffered == 0 })
	select {
	case err := <-held:
		t.Errorf("a publish did not wait: %v", err)
	default:
	}
	b.alarm(&wire.ConnectionUnblocked{})
	for range 2 {
		if err := <-held; err != nil {
			t.Errorf("publish, after the alarm: %v", err)
		}
	}
}

func TestPoolRefusesASizeThatCannotBe(t *testing.T) {
	for _, size := range []blocking.PoolSize{{Connections: -1}, {Channels: -1}} {
		var config *blocking.ConfigError
		if _, err := blocking.DialPool(testContext(t), "amqp://127.0.0.1:1", size); !errors.As(err, &config) {
			t.Errorf("%+v: %v", size, err)
		}
	}
}
