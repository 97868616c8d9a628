package test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
)

// soakTime is how long the soak test lasts, unless -soak says otherwise.
const soakTime = 10 * time.Second

var soak = flag.Duration("soak", soakTime, "how long goroutines share a channel in the soak test")

// soaker is one of the goroutines that share a channel.
type soaker struct {
	ch       *blocking.Channel
	shared   string // a queue that is always there
	own      string // a queue that nobody else uses
	exchange string // likewise
	lossy    bool   // the connection is lost now and then
}

// minds tells whether an error is more than a soaker has to expect.
func (s *soaker) minds(err error) bool {
	switch {
	case err == nil, errors.Is(err, blocking.ErrInactive), errors.Is(err, context.Canceled):
		return false
	case s.lossy:
		return !errors.Is(err, blocking.ErrUnknownOutcome) && !errors.Is(err, blocking.ErrStaleDelivery)
	}
	return true
}

// deeds are what a soaker does, and may give up at any time.
var deeds = []struct {
	name string
	do   func(s *soaker, ctx context.Context) error
}{
	{"Publish", (*soaker).publish}, {"PublishConfirm", (*soaker).publishConfirm}, {"PublishDeferred", (*soaker).publishDeferred},
	{"Get", (*soaker).get}, {"Consume", (*soaker).consume}, {"ConsumeBatches", (*soaker).consumeBatches},
	{"QueueDeclare", (*soaker).declare}, {"QueuePurge", (*soaker).purge}, {"Qos", (*soaker).qos}, {"ConfirmSelect", (*soaker).confirmSelect},
}

// act does something at random.
func (s *soaker) act(ctx context.Context) error {
	which := rand.IntN(len(deeds) + 1)
	if which == len(deeds) {
		return s.topology(ctx)
	}
	if rand.IntN(4) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		time.AfterFunc(time.Duration(rand.IntN(int(5*time.Millisecond))), cancel)
	}
	if err := deeds[which].do(s, ctx); err != nil {
		return fmt.Errorf("%s: %w", deeds[which].name, err)
	}
	return nil
}

func (s *soaker) message() *blocking.Publishing {
	return &blocking.Publishing{RoutingKey: s.shared, Body: make([]byte, rand.IntN(5000)), Mandatory: rand.IntN(2) == 0}
}

func (s *soaker) publish(ctx context.Context) error { return s.ch.Publish(ctx, s.message()) }

func (s *soaker) publishConfirm(ctx context.Context) error {
	return s.ch.PublishConfirm(ctx, s.message())
}

func (s *soaker) publishDeferred(ctx context.Context) error {
	d, err := s.ch.PublishDeferred(ctx, s.message())
	if err != nil {
		return err
	}
	return d.Wait(ctx)
}

func (s *soaker) get(ctx context.Context) error {
	d, err := s.ch.Get(ctx, &blocking.Get{Queue: s.shared})
	if d == nil {
		return err
	}
	return settle(d)
}

func settle(d *blocking.Delivery) error {
	switch rand.IntN(3) {
	case 0:
		return d.Nack(rand.IntN(2) == 0)
	case 1:
		return d.Reject(rand.IntN(2) == 0)
	}
	return d.Ack()
}

func (s *soaker) consume(ctx context.Context) error {
	left := rand.IntN(5)
	for d, err := range s.ch.Consume(ctx, &blocking.Consume{Queue: s.shared, Prefetch: 10, Inactivity: 20 * time.Millisecond}) {
		if err == nil {
			err = settle(d)
		}
		if left--; err != nil || left < 0 {
			return err
		}
	}
	return nil
}

func (s *soaker) consumeBatches(ctx context.Context) error {
	opts := &blocking.Consume{Queue: s.shared, Inactivity: 20 * time.Millisecond}
	for batch, err := range s.ch.ConsumeBatches(ctx, opts, 5, 5*time.Millisecond) {
		for _, d := range batch {
			err = errors.Join(err, settle(d))
		}
		return err
	}
	return nil
}

func (s *soaker) declare(ctx context.Context) error {
	_, err := s.ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: s.shared, Exclusive: !s.lossy})
	return err
}

func (s *soaker) purge(ctx context.Context) error {
	_, err := s.ch.QueuePurge(ctx, &blocking.QueuePurge{Queue: s.shared})
	return err
}

func (s *soaker) qos(ctx context.Context) error {
	return s.ch.Qos(ctx, &blocking.Qos{PrefetchCount: uint16(100 + rand.IntN(100)), Global: rand.IntN(2) == 0})
}

func (s *soaker) confirmSelect(ctx context.Context) error { return s.ch.ConfirmSelect(ctx) }

// topology makes things that nobody else uses, and deletes them.
func (s *soaker) topology(ctx context.Context) error {
	for _, step := range []func() error{
		func() error {
			return s.ch.ExchangeDeclare(ctx, &blocking.ExchangeDeclare{Exchange: s.exchange, Type: "topic"})
		},
		func() error {
			return s.ch.ExchangeBind(ctx, &blocking.ExchangeBind{Destination: s.exchange, Source: "amq.topic", RoutingKey: "#"})
		},
		func() error {
			_, err := s.ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: s.own, Exclusive: !s.lossy})
			return err
		},
		func() error {
			return s.ch.QueueBind(ctx, &blocking.QueueBind{Queue: s.own, Exchange: s.exchange, RoutingKey: "#"})
		},
		func() error {
			return s.ch.PublishConfirm(ctx, &blocking.Publishing{Exchange: "amq.topic", RoutingKey: s.own, Mandatory: true})
		},
		func() error {
			return s.ch.QueueUnbind(ctx, &blocking.QueueUnbind{Queue: s.own, Exchange: s.exchange, RoutingKey: "#"})
		},
		func() error {
			_, err := s.ch.QueueDelete(ctx, &blocking.QueueDelete{Queue: s.own})
			return err
		},
		func() error {
			return s.ch.ExchangeUnbind(ctx, &blocking.ExchangeUnbind{Destination: s.exchange, Source: "amq.topic", RoutingKey: "#"})
		},
		func() error { return s.ch.ExchangeDelete(ctx, &blocking.ExchangeDelete{Exchange: s.exchange}) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// soakers has many goroutines share a channel until the time is over, and returns
// the queue that they shared.
func soakers(t *testing.T, ch *blocking.Channel, lossy bool) (queue string) {
	t.Helper()
	const goroutines = 64
	q := unique(t)
	ctx, cancel := context.WithTimeout(context.Background(), *soak+bound)
	defer cancel()
	if err := known(func() error { return (&soaker{ch: ch, shared: q, lossy: lossy}).declare(ctx) }); err != nil {
		t.Fatal(err)
	}
	end := time.Now().Add(*soak)
	var working sync.WaitGroup
	for i := range goroutines {
		name := unique(t)
		s := &soaker{ch: ch, shared: q, own: fmt.Sprint(name, "-", i), exchange: name, lossy: lossy}
		working.Go(func() {
			for time.Now().Before(end) && ch.Err() == nil {
				if err := s.act(ctx); s.minds(err) {
					t.Error(err)
					return
				}
			}
		})
	}
	working.Wait()
	if err := errors.Join(ctx.Err(), ch.Err()); err != nil {
		t.Fatal(err)
	}
	return q
}

// known repeats what may be done twice until its outcome is known: the connection
// may be lost while the broker is asked.
func known(request func() error) error {
	for {
		if err := request(); !errors.Is(err, blocking.ErrUnknownOutcome) {
			return err
		}
	}
}

// stillWorks uses the channel on, whose connection is not cut any more, and closes it.
func stillWorks(t *testing.T, ch *blocking.Channel, queue string) {
	t.Helper()
	ctx := testContext(t)
	// The first request may be the one that finds the last cut.
	if err := known(func() error { return (&soaker{ch: ch, shared: queue}).purge(ctx) }); err != nil {
		t.Fatal(err)
	}
	publish(t, ch, &blocking.Publishing{RoutingKey: queue})
	if _, err := ch.QueueDelete(ctx, &blocking.QueueDelete{Queue: queue}); err != nil {
		t.Error(err)
	}
	if err := ch.Close(ctx); err != nil {
		t.Errorf("the channel does not work any more: %v", err)
	}
}

// Whatever many goroutines do on a channel at once, and whenever they give up
// waiting, the broker gets what AMQP allows and everybody gets an answer.
func TestManyGoroutinesShareAChannel(t *testing.T) {
	if *secure {
		return // what TLS carries is the same
	}
	conn := dial(t, "")
	ch := channel(t, conn)
	stillWorks(t, ch, soakers(t, ch, false))
	if err := conn.Err(); err != nil {
		t.Error(err)
	}
}

// The same while the connection is cut again and again: nobody hears of it but by
// an unknown outcome or a delivery that has gone stale.
func TestManyGoroutinesShareAChannelThatIsLostNowAndThen(t *testing.T) {
	if *secure {
		return // what TLS carries is the same
	}
	cutter := &cutter{}
	var lost atomic.Int32
	conn := dial(t, "", blocking.WithRecovery(&blocking.Recovery{}), blocking.WithParams(func(p *blocking.Params) {
		p.DialContext, p.RetryDelay = cutter.dial, 10*time.Millisecond
	}), blocking.WithEvents(func(e blocking.Event) {
		switch e.(type) {
		case blocking.Lost:
			lost.Add(1)
		case blocking.EntityFailed, blocking.ChannelFailed:
			t.Errorf("%T: %+v", e, e)
		}
	}))
	ch := channel(t, conn)
	stop := make(chan struct{})
	var cutting sync.WaitGroup
	cutting.Go(func() {
		for { // once at least
			<-time.After(300*time.Millisecond + rand.N(time.Second))
			cutter.cut()
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	queue := soakers(t, ch, true)
	close(stop)
	cutting.Wait()
	stillWorks(t, ch, queue)
	if err := conn.Close(testContext(t)); err != nil {
		t.Error(err)
	}
	eventually(t, "a loss is told", func() bool { return lost.Load() > 0 })
}

// cutter dials through itself, so that it can cut what passes.
type cutter struct {
	mu    sync.Mutex
	links []net.Conn
}

func (c *cutter) dial(ctx context.Context, network, address string) (net.Conn, error) {
	out, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	near, far := net.Pipe()
	c.mu.Lock()
	c.links = append(c.links, out, far)
	c.mu.Unlock()
	for _, way := range [][2]net.Conn{{out, far}, {far, out}} {
		go func() {
			io.Copy(way[0], way[1]) // until either end is cut
			way[0].Close()
			way[1].Close()
		}()
	}
	return near, nil
}

// cut ends every link, wherever in a frame it is.
func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, link := range c.links {
		link.Close()
	}
	c.links = nil
}
