package broker_test

import (
	"errors"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/broker"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// eventually waits until it is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(bound); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// rawConsumer consumes without acks and reads nothing of what comes.
func rawConsumer(t *testing.T, b *broker.Broker, queue string) net.Conn {
	return rawClient(t, b, &wire.BasicConsume{Queue: queue, NoAck: true})
}

// rawClient sends requests on a channel and reads nothing of what comes.
func rawClient(t *testing.T, b *broker.Broker, requests ...wire.Method) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", b.Addr().String())
	return request(t, conn, err, requests...)
}

// request is rawClient on a connection that was made, or has failed to be.
func request(t *testing.T, conn net.Conn, err error, requests ...wire.Method) net.Conn {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	p := []byte(wire.ProtocolHeader)
	for _, m := range append([]wire.Method{
		&wire.ConnectionStartOk{Mechanism: "PLAIN", Response: wire.NewSecret("\x00guest\x00guest"), Locale: "en_US"},
		&wire.ConnectionTuneOk{ChannelMax: 10, FrameMax: 131072},
		&wire.ConnectionOpen{VirtualHost: "/"},
		&wire.ChannelOpen{},
	}, requests...) {
		channel := uint16(1)
		if m.ID().Class() == wire.ClassConnection {
			channel = 0
		}
		if p, err = wire.AppendMethodFrame(p, channel, m); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := conn.Write(p); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestAConsumerThatDoesNotReadHoldsUpNobodyElse(t *testing.T) {
	b := start(t)
	ch := dial(t, b.URL())
	declare(t, ch, "big", nil)
	declare(t, ch, "small", nil)
	rawConsumer(t, b, "big")
	eventually(t, "a consumer", func() bool { s := b.State(); return len(s.Consumers) == 1 })
	body := string(make([]byte, 1<<20))
	for range 64 {
		send(t, ch, "big", body)
	}
	if n := ready(b, "big"); n < 16 {
		t.Errorf("only %d of 64 MiB wait in the queue", n)
	}
	send(t, ch, "small", "quick")
	if d := get(t, ch, "small"); string(d.Body) != "quick" {
		t.Errorf("got %q", d.Body)
	}
}

func TestAConsumerThatReadsLateGetsEverything(t *testing.T) {
	b := start(t)
	ch := dial(t, b.URL())
	declare(t, ch, "big", nil)
	conn := rawConsumer(t, b, "big")
	body := string(make([]byte, 1<<20))
	for range 64 {
		send(t, ch, "big", body)
	}
	conn.SetReadDeadline(time.Now().Add(bound))
	buf := make([]byte, 1<<20)
	for got := 0; got < 64<<20; {
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatalf("after %d bytes: %v", got, err)
		}
		got += n
	}
	if n := ready(b, "big"); n != 0 {
		t.Errorf("%d messages are left", n)
	}
}

func TestPublishersAreBlockedAboveTheMemoryLimit(t *testing.T) {
	b := start(t, broker.WithMemoryLimit(1<<20))
	publisher, consumer := dial(t, b.URL()), dial(t, b.URL())
	declare(t, publisher, "q", nil)
	send(t, publisher, "q", string(make([]byte, 1<<20)))
	if err := publisher.Publish(timeout(t), &blocking.Publishing{RoutingKey: "q"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "blocked", publisher.Conn().IsBlocked)
	if consumer.Conn().IsBlocked() {
		t.Error("who does not publish is blocked, too")
	}
	if err := get(t, consumer, "q").Ack(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "unblocked", func() bool { return !publisher.Conn().IsBlocked() })
	send(t, publisher, "q", "goes on")
}

func TestNothingIsTakenFarAboveTheMemoryLimit(t *testing.T) {
	b := start(t, broker.WithMemoryLimit(1000))
	first, second := dial(t, b.URL()), dial(t, b.URL())
	declare(t, first, "q", nil)
	send(t, first, "q", string(make([]byte, 2000)))
	err := second.PublishConfirm(timeout(t), &blocking.Publishing{RoutingKey: "q"})
	if !errors.Is(err, blocking.ErrUnknownOutcome) && !errors.Is(err, blocking.ErrClosed) {
		t.Errorf("got %v", err)
	}
	<-second.Done()
	var e *blocking.Error
	if err := second.Err(); !errors.As(err, &e) || e.Code != wire.ResourceError {
		t.Errorf("the channel ended with %v", err)
	}
}

func TestAClientThatDoesNotReadItsAnswersIsNotReadFrom(t *testing.T) {
	b := start(t)
	ch := dial(t, b.URL())
	declare(t, ch, "big", nil)
	body := string(make([]byte, 1<<20))
	for range 64 {
		send(t, ch, "big", body)
	}
	conn := rawClient(t, b)
	ask := func(n int) {
		for range n {
			if _, err := conn.Write(appendFrames(t, 1, &wire.BasicGet{Queue: "big", NoAck: true})); err != nil {
				t.Fatal(err)
			}
		}
	}
	ask(24)
	eventually(t, "answers wait", func() bool {
		s := b.State()
		return slices.ContainsFunc(s.Connections, func(c broker.ConnectionState) bool { return c.Buffered > 1<<20 })
	})
	ask(40)
	send(t, ch, "big", "goes on")
	if n := ready(b, "big"); n < 16 {
		t.Errorf("%d of 65 messages are left", n)
	}
	conn.SetReadDeadline(time.Now().Add(bound))
	buf := make([]byte, 1<<20)
	for ready(b, "big") > 1 {
		if _, err := conn.Read(buf); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnOperatorClosesAConnectionThatDoesNotRead(t *testing.T) {
	b := start(t, broker.WithServer(func(c *core.ServerConfig) { c.CloseTimeout = 10 * time.Millisecond }))
	ch := openChannel(t, b)
	makeQueues(t, ch, "big")
	body := string(make([]byte, 1<<20))
	for range 8 {
		send(t, ch, "big", body)
	}
	conn, err := b.DialContext(timeout(t), "", "") // whose buffers are small
	stuck := request(t, conn, err, &wire.BasicConsume{Queue: "big"}).LocalAddr().String()
	eventually(t, "deliveries wait", func() bool {
		s := b.State()
		return slices.ContainsFunc(s.Connections, func(c broker.ConnectionState) bool { return c.PeerAddress == stuck && c.Buffered > 1<<20 })
	})
	s := b.State()
	for _, c := range s.Connections {
		if c.PeerAddress == stuck {
			if err := b.CloseConnection(c.Name, "enough"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := b.WaitConnections(timeout(t), 1); err != nil {
		t.Fatal(err)
	}
	if n := ready(b, "big"); n != 8 {
		t.Errorf("%d of 8 messages came back", n)
	}
}

// Replies are in no queue and on no account until they leave.
func TestAClientThatDoesNotReadItsRepliesIsDropped(t *testing.T) {
	b := start(t, broker.WithMaxMessage(1<<20), broker.WithMemoryLimit(64<<20))
	ch := openChannel(t, b)
	makeQueues(t, ch, "requests")
	conn, err := b.DialContext(timeout(t), "", "")
	request(t, conn, err, &wire.BasicConsume{Queue: "amq.rabbitmq.reply-to", NoAck: true}, &wire.BasicPublish{RoutingKey: "requests"})
	properties, err := (&wire.Properties{ReplyTo: "amq.rabbitmq.reply-to"}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(wire.AppendHeaderFrame(nil, 1, wire.ClassBasic, 0, properties)); err != nil {
		t.Fatal(err)
	}
	if err := b.WaitReady(timeout(t), "requests", 1); err != nil {
		t.Fatal(err)
	}
	to, _ := get(t, ch, "requests").Properties.ReplyTo()
	body := string(make([]byte, 1<<20))
	for range 32 {
		send(t, ch, to, body)
	}
	if err := b.WaitConnections(timeout(t), 1); err != nil {
		t.Error(err)
	}
}
