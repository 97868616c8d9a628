package broker_test

import (
	"errors"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/broker"
)

// declare makes a durable queue.
func declare(t *testing.T, ch *blocking.Channel, name string, args blocking.Table) {
	t.Helper()
	if _, err := ch.QueueDeclare(timeout(t), &blocking.QueueDeclare{Queue: name, Durable: true, Arguments: args}); err != nil {
		t.Fatal(err)
	}
}

// send publishes to a queue and waits for the confirm.
func send(t *testing.T, ch *blocking.Channel, queue, body string) {
	t.Helper()
	if err := ch.PublishConfirm(timeout(t), &blocking.Publishing{RoutingKey: queue, Body: []byte(body)}); err != nil {
		t.Fatal(err)
	}
}

// get fetches a message, which must be there.
func get(t *testing.T, ch *blocking.Channel, queue string) *blocking.Delivery {
	t.Helper()
	d, err := ch.Get(timeout(t), &blocking.Get{Queue: queue})
	if err != nil {
		t.Fatal(err)
	}
	if d == nil {
		t.Fatalf("the queue %s is empty", queue)
	}
	return d
}

// ready is how many messages wait in a queue; -1 if there is none of that name.
func ready(b *broker.Broker, queue string) int {
	s := b.State()
	q := s.Queue("/", queue)
	if q == nil {
		return -1
	}
	return q.Ready
}

func TestExpiredMessagesGoToTheDeadLetterExchangeAsTimePasses(t *testing.T) {
	b := start(t)
	ch := dial(t, b.URL())
	declare(t, ch, "second", blocking.Table{"x-message-ttl": 86_400_000, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "last"})
	declare(t, ch, "first", blocking.Table{"x-message-ttl": 86_400_000, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "second"})
	declare(t, ch, "last", nil)
	send(t, ch, "first", "old")
	b.Advance(23 * time.Hour) // and the test adds what it takes
	if n := ready(b, "first"); n != 1 {
		t.Fatalf("%d messages in the first queue before their time", n)
	}
	b.Advance(48 * time.Hour)
	d := get(t, ch, "last")
	headers, _ := d.Properties.Headers()
	deaths, _, err := headers.Lookup("x-death")
	if err != nil || len(deaths.([]any)) != 2 {
		t.Errorf("x-death is %v, %v", deaths, err)
	}
	if string(d.Body) != "old" || d.RoutingKey != "last" || d.Exchange != "" {
		t.Errorf("got %q with the key %q", d.Body, d.RoutingKey)
	}
}

func TestUnusedQueuesExpire(t *testing.T) {
	b := start(t)
	ch := dial(t, b.URL())
	declare(t, ch, "q", blocking.Table{"x-expires": 1000})
	b.Advance(time.Second)
	if n := ready(b, "q"); n != -1 {
		t.Error("the queue is still there")
	}
}

func TestADeliveryThatIsNotAckedInTimeCostsItsChannel(t *testing.T) {
	b := start(t, broker.WithProfile(broker.RabbitMQ3))
	ch := dial(t, b.URL())
	declare(t, ch, "q", nil)
	send(t, ch, "q", "slow")
	get(t, ch, "q")
	b.Advance(31 * time.Minute)
	<-ch.Done()
	var e *blocking.Error
	if err := ch.Err(); !errors.As(err, &e) || e.Code != blocking.PreconditionFailed {
		t.Errorf("the channel ended with %v", err)
	}
	if n := ready(b, "q"); n != 1 {
		t.Errorf("%d messages are ready", n)
	}
}

func TestWhatQueuesRefuseIsNotConfirmed(t *testing.T) {
	b := start(t)
	ch := dial(t, b.URL())
	declare(t, ch, "q", blocking.Table{"x-max-length": 1, "x-overflow": "reject-publish"})
	send(t, ch, "q", "fits")
	err := ch.PublishConfirm(timeout(t), &blocking.Publishing{RoutingKey: "q", Body: []byte("too many")})
	if !errors.Is(err, blocking.ErrNacked) {
		t.Errorf("got %v", err)
	}
	if s := b.State(); s.Memory <= 0 || s.Queue("/", "q").Ready != 1 {
		t.Errorf("%d bytes are held, %d messages are ready", s.Memory, s.Queue("/", "q").Ready)
	}
}
