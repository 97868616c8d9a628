package broker_test

import (
	"net"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/broker"
	"github.com/haypile/haypile/core/wire"
)

// message is the frames of a publish.
func message(t testing.TB, m *wire.BasicPublish, body []byte) []byte {
	t.Helper()
	p := wire.AppendHeaderFrame(appendFrames(t, 1, m), 1, wire.ClassBasic, uint64(len(body)), nil)
	return wire.AppendBody(p, 1, body, 131072)
}

// flood writes the same again and again, until the other end takes no more for good
// or enough has been taken. It returns at once.
func flood(conn net.Conn, p []byte, times int) (done chan struct{}) {
	done = make(chan struct{})
	go func() {
		defer close(done)
		for range times {
			if _, err := conn.Write(p); err != nil {
				return
			}
		}
	}()
	return done
}

func TestClientsThatComeAndGoLeaveNothing(t *testing.T) {
	checkLeaks(t)
	b := broker.RunT(t)
	innocent := openChannel(t, b)
	makeQueues(t, innocent, "q")
	hello := append([]byte(wire.ProtocolHeader), appendFrames(t, 0,
		&wire.ConnectionStartOk{Mechanism: "PLAIN", Response: wire.NewSecret("\x00guest\x00guest"), Locale: "en_US"},
		&wire.ConnectionTuneOk{ChannelMax: 10, FrameMax: 131072}, &wire.ConnectionOpen{VirtualHost: "/"})...)
	hello = append(hello, appendFrames(t, 1, &wire.ChannelOpen{}, &wire.BasicConsume{Queue: "q"}, &wire.QueueDeclare{Exclusive: true})...)
	for i := range 2000 {
		conn, err := net.Dial("tcp", b.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conn.Write(hello[:i%(len(hello)+1)]) // it may be closed for what it says
		conn.Close()
		if i%100 == 0 {
			mustPublish(t, innocent, "q", "goes on")
		}
	}
	if err := b.WaitConnections(testContext(t), 1); err != nil {
		t.Fatal(err)
	}
	if err := b.WaitReady(testContext(t), "q", 20); err != nil {
		t.Error(err)
	}
	if s := b.State(); len(s.Queues) != 1 {
		t.Errorf("queues: %+v", s.Queues)
	}
}

func TestATransactionWithoutEndCostsItsChannel(t *testing.T) {
	b := broker.RunT(t, broker.WithLimits(broker.Limits{Transaction: 1 << 20}))
	innocent := openChannel(t, b)
	makeQueues(t, innocent, "q")
	ch, ctx := openChannel(t, b), testContext(t)
	if err := ch.TxSelect(ctx); err != nil {
		t.Fatal(err)
	}
	for ch.Publish(ctx, &blocking.Publishing{RoutingKey: "q", Body: make([]byte, 10_000)}) == nil {
		if s := b.State(); s.Memory > 1<<20 {
			t.Fatalf("%d bytes are held", s.Memory)
		}
	}
	<-ch.Done()
	refused(t, ch.Err(), wire.PreconditionFailed, "transaction is larger than the limit of 1048576 bytes")
	if s := b.State(); s.Memory != 0 {
		t.Errorf("%d bytes are held", s.Memory)
	}
	mustPublish(t, innocent, "q", "goes on")
}

func TestATransactionOfManyAcksIsUndoneAtOnce(t *testing.T) {
	const n = 50_000
	b := broker.RunT(t)
	innocent, ctx := openChannel(t, b), testContext(t)
	makeQueues(t, innocent, "q")
	conn := rawClient(t, b)
	<-flood(conn, message(t, &wire.BasicPublish{RoutingKey: "q"}, nil), n)
	if err := b.WaitReady(ctx, "q", n); err != nil {
		t.Fatal(err)
	}
	ch := openChannel(t, b)
	if err := ch.TxSelect(ctx); err != nil {
		t.Fatal(err)
	}
	got := 0
	for d, err := range ch.Consume(ctx, &blocking.Consume{Queue: "q", Prefetch: blocking.Unlimited}) {
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Ack(); err != nil {
			t.Fatal(err)
		}
		if got++; got == n {
			break
		}
	}
	if err := ch.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if err := b.WaitReady(ctx, "q", n); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsNotAcknowledgedIsBoundedByTheMemoryLimit(t *testing.T) {
	b := broker.RunT(t, broker.WithMemoryLimit(4<<20))
	innocent, ctx := openChannel(t, b), testContext(t)
	makeQueues(t, innocent, "q", "other")
	consumer, publisher := rawClient(t, b, &wire.BasicConsume{Queue: "q"}), rawClient(t, b)
	done := flood(publisher, message(t, &wire.BasicPublish{RoutingKey: "q"}, nil), 20_000)
	if err := b.WaitFor(ctx, func(s *broker.State) bool { return s.MemoryAlarm && s.Queue("/", "q").Unacked > 0 }); err != nil {
		t.Fatal(err)
	}
	consumer.Close()
	if err := b.WaitUnacked(ctx, "q", 0); err != nil {
		t.Fatal(err)
	}
	purge := func() {
		if _, err := innocent.QueuePurge(ctx, &blocking.QueuePurge{Queue: "q"}); err != nil {
			t.Fatal(err)
		}
	}
	purge()
	<-done
	publisher.Close()
	if err := b.WaitConnections(ctx, 1); err != nil {
		t.Fatal(err)
	}
	purge()
	if s := b.State(); s.Memory != 0 || s.MemoryAlarm {
		t.Errorf("%d bytes are held, alarm %v", s.Memory, s.MemoryAlarm)
	}
	mustPublish(t, innocent, "other", "goes on")
}

func TestAPublisherThatDoesNotReadItsConfirmsHoldsUpNobodyElse(t *testing.T) {
	b := broker.RunT(t)
	innocent := openChannel(t, b)
	makeQueues(t, innocent, "q")
	conn := rawClient(t, b, &wire.ConfirmSelect{})
	done := flood(conn, message(t, &wire.BasicPublish{RoutingKey: "nowhere"}, nil), 1_000_000)
	for range 50 {
		mustPublish(t, innocent, "q", "goes on")
	}
	conn.Close()
	<-done
}

// Each of these queues passes its messages on to all others, which would be more
// dead letters than anybody can count.
func TestDeadLettersDoNotMultiplyWithoutEnd(t *testing.T) {
	b := broker.RunT(t)
	ch, ctx := openChannel(t, b), testContext(t)
	if err := ch.ExchangeDeclare(ctx, &blocking.ExchangeDeclare{Exchange: "all", Type: "fanout", Durable: true}); err != nil {
		t.Fatal(err)
	}
	for i := range 16 {
		q := string('a' + rune(i))
		_, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: q, Durable: true, Arguments: blocking.Table{"x-max-length": 0, "x-dead-letter-exchange": "all"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := ch.QueueBind(ctx, &blocking.QueueBind{Queue: q, Exchange: "all"}); err != nil {
			t.Fatal(err)
		}
	}
	mustPublish(t, ch, "a", "one")
	makeQueues(t, ch, "goes on")
}

func TestDeadLettersDoNotPassTheMemoryLimit(t *testing.T) {
	const limit = 1 << 20
	b := broker.RunT(t, broker.WithMemoryLimit(limit))
	ch, ctx := openChannel(t, b), testContext(t)
	if err := ch.ExchangeDeclare(ctx, &blocking.ExchangeDeclare{Exchange: "all", Type: "fanout", Durable: true}); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		q := string('a' + rune(i))
		makeQueues(t, ch, q)
		if err := ch.QueueBind(ctx, &blocking.QueueBind{Queue: q, Exchange: "all"}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "dying", Durable: true, Arguments: blocking.Table{"x-message-ttl": 60_000, "x-dead-letter-exchange": "all"}})
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		mustPublish(t, ch, "dying", string(make([]byte, 10_000)))
	}
	b.Advance(2 * time.Minute)
	s := b.State()
	if q := s.Queue("/", "dying"); q.Ready != 0 || s.Memory < limit || s.Memory > 2*limit {
		t.Errorf("%d bytes are held, %d messages are still to die", s.Memory, q.Ready)
	}
}
