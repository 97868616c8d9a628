package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

func overflow(_ *amqp.Connection, ch *amqp.Channel) string {
	q := queue(ch, "overflow", amqp.Table{"x-max-length": 1, "x-overflow": "reject-publish"})
	must(ch.Confirm(false))
	var saw []string
	for range 2 {
		outcome := "nacked"
		if must1(ch.PublishWithDeferredConfirm("", q, false, false, amqp.Publishing{})).Wait() {
			outcome = "acked"
		}
		saw = append(saw, outcome)
	}
	return strings.Join(saw, ", ")
}

func priorities(_ *amqp.Connection, ch *amqp.Channel) string {
	q := queue(ch, "priorities", amqp.Table{"x-max-priority": 5})
	for _, p := range []uint8{1, 9, 3, 0} {
		publishTo(ch, "", q, amqp.Publishing{Body: fmt.Append(nil, p), Priority: p})
	}
	fill(ch, q, 4)
	var saw []string
	for range 4 {
		saw = append(saw, string(fetch(ch, q).Body))
	}
	return strings.Join(saw, " ")
}

// consumers tells which of two consumers got each of two messages, the one that
// got the first having cancelled before the second.
func consumers(ch *amqp.Channel, q string, second amqp.Table) string {
	inboxes := map[string]<-chan amqp.Delivery{
		"first":  consume(ch, q, "first", true),
		"second": must1(ch.Consume(q, "second", true, false, false, false, second)),
	}
	var saw []string
	for range 2 {
		publish(ch, q, "x")
		var d amqp.Delivery
		select {
		case d = <-inboxes["first"]:
		case d = <-inboxes["second"]:
		}
		saw = append(saw, d.ConsumerTag)
		must(ch.Cancel(d.ConsumerTag, false))
		inboxes[d.ConsumerTag] = nil
	}
	return strings.Join(saw, ", ")
}

func singleActive(_ *amqp.Connection, ch *amqp.Channel) string {
	return consumers(ch, queue(ch, "single", amqp.Table{"x-single-active-consumer": true}), nil)
}

func consumerPriority(_ *amqp.Connection, ch *amqp.Channel) string {
	return consumers(ch, queue(ch, "preferring", nil), amqp.Table{"x-priority": 10})
}

func quorum(_ *amqp.Connection, ch *amqp.Channel) string {
	q := must1(ch.QueueDeclare(named("quorum"), true, false, false, false, amqp.Table{"x-queue-type": "quorum"})).Name
	publish(ch, q, "x")
	deliveries := consume(ch, q, "", false)
	d := <-deliveries
	must(d.Nack(false, true))
	d = <-deliveries
	must(d.Ack(false))
	must1(ch.QueueDelete(q, false, false, false))
	return fmt.Sprintf("%s, delivery count %v", again(d), d.Headers["x-delivery-count"])
}

func alternate(_ *amqp.Connection, ch *amqp.Channel) string {
	q, other, first := queue(ch, "strays", nil), named("alternate"), named("first")
	must(ch.ExchangeDeclare(other, "fanout", false, true, false, false, nil))
	must(ch.QueueBind(q, "", other, false, nil))
	must(ch.ExchangeDeclare(first, "direct", false, false, false, false, amqp.Table{"alternate-exchange": other}))
	defer ch.ExchangeDelete(first, false, false) // that it fails ends the channel, which shows
	publishTo(ch, first, "key", amqp.Publishing{Body: []byte("stray")})
	d := fetch(ch, q)
	return fmt.Sprintf("%q from %q by %q", d.Body, d.Exchange, d.RoutingKey)
}

func queueExpires(conn *amqp.Connection, ch *amqp.Channel) string {
	q := queue(ch, "unused", amqp.Table{"x-expires": 1})
	for {
		ch := must1(conn.Channel())
		if _, err := ch.QueueDeclarePassive(q, false, false, false, false, nil); err != nil {
			return reason(err)
		}
		must(ch.Close())
	}
}

func channels(conn *amqp.Connection, _ *amqp.Channel) string {
	const n = 200
	var open []*amqp.Channel
	for range n {
		open = append(open, must1(conn.Channel()))
	}
	for _, ch := range open {
		serverNamed(conn, ch)
		must(ch.Close())
	}
	return fmt.Sprint(n, " in use at once")
}

func smallFrames() string {
	conn := must1(dial("guest", amqp.Config{FrameSize: 8192}))
	defer conn.Close()
	ch := must1(conn.Channel())
	q, body := queue(ch, "frames", nil), make([]byte, 100_000)
	rand.Read(body)
	publishTo(ch, "", q, amqp.Publishing{Body: body})
	if d := fetch(ch, q); !bytes.Equal(d.Body, body) {
		return "harmed"
	}
	return fmt.Sprintf("%d bytes unharmed in frames of %d", len(body), conn.Config.FrameSize)
}
