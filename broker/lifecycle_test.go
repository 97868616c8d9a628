package broker_test

import (
	"crypto/tls"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/broker"
	"github.com/haypile/haypile/internal/testcert"
)

func TestARestartKeepsWhatIsDurable(t *testing.T) {
	b := start(t, broker.WithProfile(broker.RabbitMQ3))
	ch := dial(t, b.URL())
	ctx := timeout(t)
	declare(t, ch, "jobs", nil)
	if _, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "passing"}); err != nil {
		t.Fatal(err)
	}
	if err := ch.QueueBind(ctx, &blocking.QueueBind{Queue: "jobs", Exchange: "amq.topic", RoutingKey: "#"}); err != nil {
		t.Fatal(err)
	}
	send(t, ch, "jobs", "gone")
	err := ch.PublishConfirm(ctx, &blocking.Publishing{RoutingKey: "jobs", Body: []byte("kept"), Properties: &blocking.Properties{DeliveryMode: blocking.Persistent}})
	if err != nil {
		t.Fatal(err)
	}
	url := b.URL()
	if err := b.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	<-ch.Done()
	var e *blocking.Error
	if err := ch.Err(); !errors.As(err, &e) || e.Code != blocking.ConnectionForced {
		t.Errorf("the channel ended with %v", err)
	}
	if b.URL() != url {
		t.Errorf("was at %s, is at %s", url, b.URL())
	}
	if n := ready(b, "passing"); n != -1 {
		t.Error("a transient queue has survived")
	}
	again := dial(t, url)
	if d := get(t, again, "jobs"); string(d.Body) != "kept" || d.MessageCount != 0 {
		t.Errorf("got %q, %d are left", d.Body, d.MessageCount)
	}
	s := b.State()
	if !hasBinding(s, "amq.topic", "jobs") {
		t.Error("the binding is gone")
	}
}

func TestARestartKeepsWhatMessagesHaveGoneThrough(t *testing.T) {
	b := start(t, broker.WithProfile(broker.RabbitMQ3))
	ctx := timeout(t)
	ch := dial(t, b.URL())
	declare(t, ch, "jobs", nil)
	for _, expiration := range []string{"1500000", ""} {
		err := ch.PublishConfirm(ctx, &blocking.Publishing{RoutingKey: "jobs", Properties: &blocking.Properties{DeliveryMode: blocking.Persistent, Expiration: expiration}})
		if err != nil {
			t.Fatal(err)
		}
	}
	get(t, ch, "jobs")          // and never acks
	b.Advance(20 * time.Minute) // and the test adds what it takes, which is less than is left
	if err := b.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	again := dial(t, b.URL())
	d := get(t, again, "jobs")
	if !d.Redelivered {
		t.Error("it does not say that it was delivered before")
	}
	if d := get(t, again, "jobs"); d.Redelivered {
		t.Error("the other one says that it was delivered before")
	}
	if err := d.Nack(true); err != nil {
		t.Fatal(err)
	}
	if err := b.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	b.Advance(5 * time.Minute)
	if n := ready(b, "jobs"); n != 1 {
		t.Errorf("%d messages are left of the one whose time is over and the one that has time", n)
	}
}

func hasBinding(s broker.State, source, destination string) bool {
	for _, b := range s.Bindings {
		if b.Source == source && b.Destination == destination {
			return true
		}
	}
	return false
}

func TestStartAndStop(t *testing.T) {
	b, err := broker.New()
	if err != nil {
		t.Fatal(err)
	}
	if b.URL() != "" {
		t.Errorf("a broker that does not listen is at %s", b.URL())
	}
	if err := b.Restart(timeout(t)); !errors.Is(err, broker.ErrStopped) {
		t.Errorf("Restart: %v", err)
	}
	if err := b.Start(); err != nil {
		t.Fatal(err)
	}
	if err := b.Start(); !errors.Is(err, broker.ErrRunning) {
		t.Errorf("a second Start: %v", err)
	}
	for range 2 {
		if err := b.Stop(timeout(t)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNothingIsLeftAfterStop(t *testing.T) {
	use := func() {
		b, err := broker.Start()
		if err != nil {
			t.Fatal(err)
		}
		conn, err := blocking.Dial(timeout(t), b.URL(), blocking.WithRecovery(nil))
		if err != nil {
			t.Fatal(err)
		}
		ch, err := conn.Channel(timeout(t))
		if err != nil {
			t.Fatal(err)
		}
		declare(t, ch, "q", blocking.Table{"x-expires": 1_000_000})
		if err := b.Stop(timeout(t)); err != nil {
			t.Fatal(err)
		}
		<-conn.Done()
	}
	use()
	before := runtime.NumGoroutine()
	for range 20 {
		use()
	}
	for deadline := time.Now().Add(bound); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, there were %d", runtime.NumGoroutine(), before)
		}
	}
}

func TestAnOperatorClosesAConnection(t *testing.T) {
	b := start(t)
	ch := dial(t, b.URL())
	s := b.State()
	if len(s.Connections) != 1 {
		t.Fatalf("%d connections", len(s.Connections))
	}
	if err := b.CloseConnection(s.Connections[0].Name, "enough"); err != nil {
		t.Fatal(err)
	}
	<-ch.Done()
	var e *blocking.Error
	if err := ch.Err(); !errors.As(err, &e) || e.Text != "CONNECTION_FORCED - enough" {
		t.Errorf("the channel ended with %v", err)
	}
	if err := b.CloseConnection("nobody", ""); err == nil {
		t.Error("a connection that does not exist was closed")
	}
}

func TestClientsMaySpeakTLS(t *testing.T) {
	authority := testcert.Must(t)
	b := start(t, broker.WithTLS("127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{authority.Pair(t, "127.0.0.1")}}))
	s := b.State()
	if len(s.Listeners) != 2 || !s.Listeners[1].TLS {
		t.Fatalf("listens at %v", s.Listeners)
	}
	conn, err := blocking.Dial(timeout(t), "amqps://guest:guest@"+s.Listeners[1].Address, blocking.WithParams(func(p *blocking.Params) { p.TLS = &tls.Config{RootCAs: authority.Pool()} }))
	if err != nil {
		t.Fatal(err)
	}
	if s := b.State(); len(s.Connections) != 1 || s.Connections[0].TLS != "TLS 1.3" {
		t.Errorf("connections are %+v", s.Connections)
	}
	if err := conn.Close(timeout(t)); err != nil {
		t.Error(err)
	}
}

func TestAZeroBrokerTellsToUseNew(t *testing.T) {
	var b broker.Broker
	ctx := testContext(t)
	for what, err := range map[string]error{
		"Start": b.Start(), "Stop": b.Stop(ctx), "WaitConnections": b.WaitConnections(ctx, 0),
	} {
		if !errors.Is(err, broker.ErrZero) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := b.Restart(ctx); err == nil {
		t.Error("it restarted")
	}
	if b.URL() != "" || len(b.Journal()) != 0 {
		t.Error("it has an address or a journal")
	}
	b.State()
	b.Advance(time.Second)
	b.Block("")
	b.HoldConfirms().Release()
	b.CancelConsumers("jobs")
	if _, ok := b.Authenticate("guest", "guest"); ok {
		t.Error("it knows a user")
	}
}
