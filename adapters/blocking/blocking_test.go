package blocking_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haypile/haypile/adapters/adaptertest"
	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/internal/fakebroker"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

const bound = 2 * time.Minute

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	t.Cleanup(cancel)
	return ctx
}

// answer is what a broker of a test does about a method.
type answer func(s *fakebroker.Session, m wire.Method, channel uint16, body []byte)

// checkGoroutines fails a test that leaves goroutines.
func checkGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		deadline := time.Now().Add(bound)
		for runtime.NumGoroutine() > before {
			if time.Now().After(deadline) {
				buf := make([]byte, 1<<20)
				t.Fatalf("goroutines left:\n%s", buf[:runtime.Stack(buf, true)])
			}
			time.Sleep(time.Millisecond)
		}
	})
}

// patiently has what a busy machine keeps waiting wait for as long as tests do.
func patiently() blocking.Option {
	return blocking.WithParams(func(p *blocking.Params) {
		p.DialTimeout, p.StackTimeout = bound, bound
		p.Client.HandshakeTimeout, p.Client.CloseTimeout = bound, bound
	})
}

// network has a broker run the script for each connection, and tells where it is and
// what takes a client there.
type network func(t *testing.T, script func(n int, s *fakebroker.Session)) (addr string, way []blocking.Option)

func loopback(t *testing.T, script func(n int, s *fakebroker.Session)) (addr string, way []blocking.Option) {
	t.Helper()
	return fakebroker.Start(t, script), []blocking.Option{patiently()}
}

// simulated is for tests of times that are short, in a bubble of testing/synctest:
// there, what a busy machine keeps waiting takes no time.
func simulated(t *testing.T, script func(n int, s *fakebroker.Session)) (addr string, way []blocking.Option) {
	t.Helper()
	const host = "broker:5672"
	sim := adaptertest.NewSim(adaptertest.SimConfig{})
	ln, err := sim.Listen(host)
	if err != nil {
		t.Fatal(err)
	}
	fakebroker.Serve(t, ln, script)
	return host, []blocking.Option{blocking.WithLoop(sim), blocking.WithParams(func(p *blocking.Params) { p.DialContext = sim.DialContext })}
}

// connect connects to a broker that answers so, and opens a channel.
func connect(t *testing.T, a answer, opts ...blocking.Option) (*blocking.Conn, *blocking.Channel) {
	t.Helper()
	return connectOn(t, loopback, a, opts...)
}

func connectOn(t *testing.T, on network, a answer, opts ...blocking.Option) (*blocking.Conn, *blocking.Channel) {
	t.Helper()
	checkGoroutines(t)
	addr, way := on(t, func(_ int, s *fakebroker.Session) {
		if s.Handshake() {
			s.Serve(func(m wire.Method, channel uint16, body []byte) { a(s, m, channel, body) })
		}
	})
	ctx := testContext(t)
	conn, err := blocking.Dial(ctx, "amqp://"+addr, slices.Concat([]blocking.Option{blocking.WithRecovery(nil)}, way, opts)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(ctx) })
	ch, err := conn.Channel(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return conn, ch
}

func TestCanceledCallLeavesTheChannelUsable(t *testing.T) {
	hold := make(chan struct{})
	_, ch := connect(t, func(s *fakebroker.Session, m wire.Method, n uint16, _ []byte) {
		if d, ok := m.(*wire.QueueDeclare); ok {
			if d.Queue == "slow" {
				<-hold
			}
			s.Send(n, &wire.QueueDeclareOk{Queue: d.Queue})
		}
	})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "slow"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("slow call: %v", err)
	}
	close(hold)
	q, err := ch.QueueDeclare(testContext(t), &blocking.QueueDeclare{Queue: "next"})
	if err != nil || q.Queue != "next" {
		t.Errorf("the next call got %v, %v", q, err)
	}
	if _, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("call with a context that has ended: %v", err)
	}
}

func TestPublishReportsWhatCannotBeSent(t *testing.T) {
	_, ch := connect(t, func(*fakebroker.Session, wire.Method, uint16, []byte) {})
	ctx := testContext(t)
	long := strings.Repeat("x", 256)
	var encode *blocking.EncodeError
	var config *blocking.ConfigError
	for name, test := range map[string]struct {
		p  blocking.Publishing
		as func(error) bool
	}{
		"exchange":    {blocking.Publishing{Exchange: long}, func(err error) bool { return errors.As(err, &encode) }},
		"routing key": {blocking.Publishing{RoutingKey: long}, func(err error) bool { return errors.As(err, &encode) }},
		"headers":     {blocking.Publishing{Properties: &blocking.Properties{Headers: blocking.Table{"f": func() {}}}}, func(err error) bool { return errors.As(err, &encode) }},
		"two kinds":   {blocking.Publishing{Properties: &blocking.Properties{}, RawProperties: blocking.RawProperties{0, 0}}, func(err error) bool { return errors.As(err, &config) }},
		"frame-max":   {blocking.Publishing{Properties: &blocking.Properties{Headers: blocking.Table{"h": strings.Repeat("x", 140_000)}}}, func(err error) bool { return errors.Is(err, core.ErrFrameTooLarge) }},
	} {
		if err := ch.Publish(ctx, &test.p); !test.as(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := ch.Publish(ctx, &blocking.Publishing{}); err != nil {
		t.Errorf("after all that: %v", err)
	}
}

func TestPublishedBytesMayBeReusedAtOnce(t *testing.T) {
	for _, size := range []int{100, 20_000, 500_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			got := make(chan []byte, 100)
			_, ch := connect(t, func(_ *fakebroker.Session, _ wire.Method, _ uint16, body []byte) { got <- bytes.Clone(body) })
			message := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, size-i) }
			body := make([]byte, size)
			for i := range 100 {
				n := copy(body, message(i))
				if err := ch.Publish(testContext(t), &blocking.Publishing{Body: body[:n]}); err != nil {
					t.Fatal(err)
				}
				clear(body)
			}
			for i := range 100 {
				if s := <-got; !bytes.Equal(s, message(i)) {
					t.Fatalf("message %d has %d bytes, and not these %d", i, len(s), size-i)
				}
			}
		})
	}
}

func TestOutcomesOfAPublishAreToldApart(t *testing.T) {
	conn, ch := connect(t, func(s *fakebroker.Session, m wire.Method, n uint16, body []byte) {
		switch m := m.(type) {
		case *wire.ConfirmSelect:
			s.Send(n, &wire.ConfirmSelectOk{})
		case *wire.BasicPublish:
			switch m.RoutingKey {
			case "ack":
				s.Send(n, &wire.BasicAck{DeliveryTag: 1})
			case "nack":
				s.Send(n, &wire.BasicNack{DeliveryTag: 2})
			case "return":
				s.Send(n, &wire.BasicReturn{ReplyCode: 312, ReplyText: "NO_ROUTE", RoutingKey: m.RoutingKey}, string(body), &wire.BasicAck{DeliveryTag: 3})
			case "die":
				s.Send(n, &wire.ChannelClose{ReplyCode: 406, ReplyText: "PRECONDITION_FAILED"})
			}
		}
	})
	ctx := testContext(t)
	publish := func(key string) error {
		return ch.PublishConfirm(ctx, &blocking.Publishing{RoutingKey: key, Mandatory: true, Body: []byte("body")})
	}
	if err := publish("ack"); err != nil {
		t.Errorf("acked: %v", err)
	}
	if err := publish("nack"); !errors.Is(err, blocking.ErrNacked) {
		t.Errorf("nacked: %v", err)
	}
	var back *blocking.UnroutableError
	if err := publish("return"); !errors.Is(err, blocking.ErrUnroutable) || !errors.As(err, &back) || string(back.Return.Body) != "body" {
		t.Errorf("returned: %v", err)
	}
	if err := publish("die"); !errors.Is(err, blocking.ErrUnknownOutcome) || !errors.Is(err, blocking.PreconditionFailed) {
		t.Errorf("channel died: %v", err)
	}
	if err := publish("late"); !errors.Is(err, blocking.ErrClosed) || !errors.Is(err, blocking.PreconditionFailed) {
		t.Errorf("on the dead channel: %v", err)
	}
	if conn.Err() != nil {
		t.Errorf("the connection ended with %v", conn.Err())
	}
}

func TestPublishWaitsForRoomAndBlockedEndsIt(t *testing.T) {
	read := make(chan struct{})
	_, ch := connect(t, func(_ *fakebroker.Session, m wire.Method, _ uint16, _ []byte) { <-read },
		blocking.WithParams(func(p *blocking.Params) { p.Client.MaxBuffered = 1 << 20 }))
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	var err error
	sent := 0
	for ; err == nil && sent < 200; sent++ {
		err = ch.Publish(ctx, &blocking.Publishing{Body: make([]byte, 1<<20)})
	}
	if !errors.Is(err, context.DeadlineExceeded) || sent > 100 {
		t.Errorf("after %d MiB to a broker that does not read: %v", sent, err)
	}
	close(read)
	if err := ch.Publish(testContext(t), &blocking.Publishing{}); err != nil {
		t.Errorf("after the broker read on: %v", err)
	}
}

func TestSwitchedOffFlowHoldsPublishesInOrder(t *testing.T) {
	got := make(chan string, 10)
	flow := make(chan func(bool), 1)
	_, ch := connect(t, func(s *fakebroker.Session, m wire.Method, n uint16, body []byte) {
		switch m.(type) {
		case *wire.QueueDeclare:
			flow <- func(on bool) { s.Send(n, &wire.ChannelFlow{Active: on}) }
			s.Send(n, &wire.ChannelFlow{Active: false}, &wire.QueueDeclareOk{})
		case *wire.BasicPublish:
			got <- string(body)
		}
	})
	ctx := testContext(t)
	if _, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{}); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if err := ch.Publish(short, &blocking.Publishing{Body: []byte("refused")}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("publish while flow is off: %v", err)
	}
	go (<-flow)(true)
	if err := ch.Publish(ctx, &blocking.Publishing{Body: []byte("taken")}); err != nil {
		t.Error(err)
	}
	if s := <-got; s != "taken" {
		t.Errorf("the broker got %q", s)
	}
}

// deliveries has a broker start every consumer with n messages and tell what is
// settled.
func deliveries(n int, settled chan<- string) answer {
	return func(s *fakebroker.Session, m wire.Method, ch uint16, _ []byte) {
		switch m := m.(type) {
		case *wire.BasicQos:
			s.Send(ch, &wire.BasicQosOk{})
		case *wire.BasicConsume:
			items := []any{&wire.BasicConsumeOk{ConsumerTag: "c"}}
			for i := range n {
				items = append(items, &wire.BasicDeliver{ConsumerTag: "c", DeliveryTag: uint64(i + 1)}, fmt.Sprint("message ", i+1))
			}
			s.Send(ch, items...)
		case *wire.BasicCancel:
			settled <- "cancel"
			s.Send(ch, &wire.BasicCancelOk{ConsumerTag: "c"})
		case *wire.BasicAck:
			settled <- fmt.Sprint("ack ", m.DeliveryTag)
		case *wire.BasicNack:
			settled <- fmt.Sprint("nack ", m.DeliveryTag, m.Requeue)
		case *wire.BasicReject:
			settled <- fmt.Sprint("reject ", m.DeliveryTag, m.Requeue)
		}
	}
}

// awaitInbox waits until n messages wait for their loops. What comes when one has been
// left is refused by the connection's goroutine, beside what was there.
func awaitInbox(t *testing.T, conn *blocking.Conn, n int) {
	t.Helper()
	eventually(t, "messages in the inbox", func() bool { return conn.Stats().Inbox == n })
}

func TestLeavingTheLoopCancelsAndRequeuesTheUnseen(t *testing.T) {
	settled := make(chan string, 100)
	conn, ch := connect(t, deliveries(5, settled))
	n := 0
	for d, err := range ch.Consume(testContext(t), &blocking.Consume{Queue: "q"}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 1 {
			if err := d.Ack(); err != nil {
				t.Error(err)
			}
			if err := d.Nack(true); !errors.Is(err, blocking.ErrSettled) {
				t.Errorf("second settling: %v", err)
			}
		} else {
			d.Reject(false)
			awaitInbox(t, conn, 3)
			break
		}
	}
	var got []string
	for range 6 {
		got = append(got, <-settled)
	}
	if s := strings.Join(got, ", "); s != "ack 1, reject 2 false, cancel, nack 3 true, nack 4 true, nack 5 true" {
		t.Errorf("settled: %s", s)
	}
}

func TestPanicInTheLoopBodyCancelsToo(t *testing.T) {
	settled := make(chan string, 100)
	_, ch := connect(t, deliveries(1, settled))
	func() {
		defer func() { recover() }()
		for range ch.Consume(testContext(t), &blocking.Consume{Queue: "q"}) {
			panic("in the body")
		}
	}()
	if s := <-settled; s != "cancel" {
		t.Errorf("settled: %s", s)
	}
}

func TestContextEndsConsuming(t *testing.T) {
	settled := make(chan string, 100)
	conn, ch := connect(t, deliveries(3, settled))
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	n := 0
	for d, err := range ch.Consume(ctx, &blocking.Consume{Queue: "q"}) {
		if n++; n == 1 {
			d.Ack()
			awaitInbox(t, conn, 2)
			cancel()
			continue
		}
		if !errors.Is(err, context.Canceled) || d != nil || n != 2 {
			t.Errorf("pair %d: %v, %v", n, d, err)
		}
	}
	var got []string
	for range 4 {
		got = append(got, <-settled)
	}
	if s := strings.Join(got, ", "); s != "ack 1, cancel, nack 2 true, nack 3 true" {
		t.Errorf("settled: %s", s)
	}
}

func TestSlowConsumerWithoutPrefetchStopsReadingAndLosesNothing(t *testing.T) {
	const n = 10_000
	settled := make(chan string, 100)
	conn, ch := connect(t, deliveries(n, settled))
	got := 0
	for d, err := range ch.Consume(testContext(t), &blocking.Consume{Queue: "q", NoAck: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if got++; string(d.Body) != fmt.Sprint("message ", got) {
			t.Fatalf("message %d is %q", got, d.Body)
		}
		if got == 1 {
			// A call of the body waits for an answer behind what fills the inbox.
			other, err := conn.Channel(testContext(t))
			if err != nil {
				t.Fatal(err)
			}
			if err := other.Qos(testContext(t), &blocking.Qos{PrefetchCount: 1}); err != nil {
				t.Error(err)
			}
		}
		if got == n {
			break
		}
	}
}

func TestNilArgumentsAreRefused(t *testing.T) {
	conn, ch := connect(t, deliveries(0, nil))
	ctx := testContext(t)
	_, declare := ch.QueueDeclare(ctx, nil)
	_, get := ch.Get(ctx, nil)
	consume := error(nil)
	for _, err := range ch.Consume(ctx, nil) {
		consume = err
	}
	for name, err := range map[string]error{
		"declare": declare, "get": get, "consume": consume,
		"publish": ch.Publish(ctx, nil), "confirm": ch.PublishConfirm(ctx, nil),
	} {
		var e *blocking.ConfigError
		if !errors.As(err, &e) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := conn.Channel(ctx); err != nil {
		t.Errorf("after all that: %v", err)
	}
}

func TestWrongPrefetchIsRefused(t *testing.T) {
	_, ch := connect(t, deliveries(0, nil))
	for _, n := range []int{-2, 65536} {
		for _, err := range ch.Consume(testContext(t), &blocking.Consume{Prefetch: n}) {
			var e *blocking.ConfigError
			if !errors.As(err, &e) {
				t.Errorf("prefetch %d: %v", n, err)
			}
		}
	}
}

func TestCallbacksRunInOrderOffTheLoop(t *testing.T) {
	conn, ch := connect(t, func(s *fakebroker.Session, m wire.Method, n uint16, _ []byte) {
		s.Send(n, &wire.QueueDeclareOk{})
	})
	ctx := testContext(t)
	var order []int
	done := make(chan struct{})
	for i := range 100 {
		err := conn.AddCallbackThreadsafe(func() {
			if i == 50 { // a callback may wait for the broker
				if _, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{}); err != nil {
					t.Error(err)
				}
			}
			if order = append(order, i); i == 99 {
				close(done)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	<-done
	for i, n := range order {
		if i != n {
			t.Fatalf("order is %v", order)
		}
	}
	later := make(chan struct{})
	conn.CallLater(10*time.Millisecond, func() { close(later) })
	if !conn.CallLater(time.Hour, func() { t.Error("a stopped timer ran") }).Stop() {
		t.Error("Stop was too late")
	}
	<-later
	if err := conn.Close(ctx); err != nil {
		t.Error(err)
	}
	if err := conn.AddCallbackThreadsafe(func() {}); !errors.Is(err, blocking.ErrClosed) || !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestManyGoroutinesShareAChannel(t *testing.T) {
	_, ch := connect(t, func(s *fakebroker.Session, m wire.Method, n uint16, _ []byte) {
		switch m := m.(type) {
		case *wire.QueueDeclare:
			s.Send(n, &wire.QueueDeclareOk{Queue: m.Queue})
		case *wire.QueuePurge:
			s.Send(n, &wire.QueuePurgeOk{MessageCount: uint32(len(m.Queue))})
		}
	})
	ctx := testContext(t)
	var wg sync.WaitGroup
	for who := range 32 {
		wg.Go(func() {
			name := strings.Repeat("x", who)
			for range 50 {
				q, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: name})
				if err != nil || q.Queue != name {
					t.Errorf("declare of %q got %v, %v", name, q, err)
				}
				if err := ch.Publish(ctx, &blocking.Publishing{RoutingKey: name}); err != nil {
					t.Error(err)
				}
				p, err := ch.QueuePurge(ctx, &blocking.QueuePurge{Queue: name})
				if err != nil || p.MessageCount != uint32(who) {
					t.Errorf("purge of %q got %v, %v", name, p, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestAChannelIsClosedThoughItsContextHasEnded(t *testing.T) {
	_, ch := connect(t, func(*fakebroker.Session, wire.Method, uint16, []byte) {})
	ctx, cancel := context.WithCancel(testContext(t))
	cancel()
	if err := ch.Close(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("Close: %v", err)
	}
	select {
	case <-ch.Done():
	case <-time.After(bound):
		t.Fatal("the channel is not closed")
	}
	if err := errors.Join(ch.Err(), ch.Close(ctx)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestCloseIsBoundedByItsContext(t *testing.T) {
	addr := fakebroker.Start(t, func(_ int, s *fakebroker.Session) {
		s.Handshake()
		for m, _, _ := s.Next(); m != nil; m, _, _ = s.Next() { // answers nothing
		}
	})
	conn, err := blocking.Dial(testContext(t), "amqp://"+addr, patiently())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := conn.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close: %v", err)
	}
	<-conn.Done()
}

func TestPublishThatWaitsForAnAlarmReadsPastAFullInbox(t *testing.T) {
	const n = 5_000
	settled := make(chan string, 100)
	give := deliveries(n, settled)
	_, ch := connect(t, func(s *fakebroker.Session, m wire.Method, channel uint16, body []byte) {
		give(s, m, channel, body)
		if _, ok := m.(*wire.BasicConsume); ok { // the end of the alarm is behind all the messages
			s.Send(0, &wire.ConnectionUnblocked{})
		}
		if _, ok := m.(*wire.QueueDeclare); ok {
			s.Send(0, &wire.ConnectionBlocked{Reason: "memory"})
			s.Send(channel, &wire.QueueDeclareOk{})
		}
	})
	ctx := testContext(t)
	if _, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{}); err != nil {
		t.Fatal(err)
	}
	for _, err := range ch.Consume(ctx, &blocking.Consume{Queue: "q", NoAck: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if err := ch.Publish(ctx, &blocking.Publishing{}); err != nil {
			t.Errorf("publish during the alarm: %v", err)
		}
		break
	}
}

// Programs end by canceling their context. What they did before still leaves.
func TestCloseWithAnEndedContextSendsWhatWasQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := make(chan string, 100)
		conn, ch := connectOn(t, simulated, func(_ *fakebroker.Session, m wire.Method, _ uint16, body []byte) { got <- string(body) })
		ctx, cancel := context.WithCancel(testContext(t))
		for i := range 50 {
			if err := ch.Publish(ctx, &blocking.Publishing{Body: fmt.Append(nil, i)}); err != nil {
				t.Fatal(err)
			}
		}
		cancel()
		if err := conn.Close(ctx); err != nil {
			t.Errorf("Close: %v", err)
		}
		for i := range 50 {
			if s := <-got; s != fmt.Sprint(i) {
				t.Fatalf("message %d is %q", i, s)
			}
		}
	})
}
