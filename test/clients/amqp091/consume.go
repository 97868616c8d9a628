package main

import (
	"encoding/json"
	"fmt"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

func prefetch(_ *amqp.Connection, ch *amqp.Channel) string {
	q := queue(ch, "prefetch", nil)
	must(ch.Qos(2, 0, false))
	publish(ch, q, "1", "2", "3", "4", "5")
	fill(ch, q, 5)
	deliveries := consume(ch, q, "", false)
	unacked := []amqp.Delivery{<-deliveries, <-deliveries}
	saw := fmt.Sprintf("2 delivered, %d ready, then", ready(ch, q))
	for n := range 5 {
		if n >= len(unacked) {
			unacked = append(unacked, <-deliveries)
		}
		must(unacked[n].Ack(false))
		saw += " " + string(unacked[n].Body)
	}
	return saw
}

func requeue(_ *amqp.Connection, ch *amqp.Channel) string {
	q := queue(ch, "requeue", nil)
	publish(ch, q, "one", "two")
	fill(ch, q, 2)
	d, _ := must2(ch.Get(q, false))
	must(d.Nack(false, true))
	return again(fetch(ch, q)) + ", " + again(fetch(ch, q))
}

func recovered(_ *amqp.Connection, ch *amqp.Channel) string {
	q := queue(ch, "recover", nil)
	publish(ch, q, "one", "two")
	deliveries := consume(ch, q, "", false)
	saw := []string{again(<-deliveries), again(<-deliveries)}
	//lint:ignore SA1019 clients use it as long as brokers have it
	must(ch.Recover(true))
	saw = append(saw, again(<-deliveries), again(<-deliveries))
	return strings.Join(saw, ", ")
}

// dying declares a queue, and one that gets what it drops.
func dying(ch *amqp.Channel, name string) (q, dead string) {
	dead = queue(ch, "dead", nil)
	return queue(ch, name, amqp.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}), dead
}

// death is what the newest entry of x-death says.
func death(d amqp.Delivery) string {
	x := d.Headers["x-death"].([]any)[0].(amqp.Table)
	return fmt.Sprintf("%q by %q, %s %d time from queue %q, exchange %q, keys %s", d.Body, d.RoutingKey,
		x["reason"], x["count"], x["queue"], x["exchange"], must1(json.Marshal(x["routing-keys"])))
}

func rejected(_ *amqp.Connection, ch *amqp.Channel) string {
	q, dead := dying(ch, "rejecting")
	publish(ch, q, "bad")
	d := <-consume(ch, q, "", false)
	must(d.Reject(false))
	return death(fetch(ch, dead))
}

func expired(_ *amqp.Connection, ch *amqp.Channel) string {
	q, dead := dying(ch, "expiring")
	publishTo(ch, "", q, amqp.Publishing{Body: []byte("old"), Expiration: "1"})
	return death(fetch(ch, dead))
}

func rpc(conn *amqp.Connection, ch *amqp.Channel) string {
	q, asking := queue(ch, "rpc", nil), must1(conn.Channel())
	questions := consume(ch, q, "", true)
	answers := consume(asking, "amq.rabbitmq.reply-to", "", true)
	publishTo(asking, "", q, amqp.Publishing{ReplyTo: "amq.rabbitmq.reply-to", CorrelationId: "7", Body: []byte("ping")})
	d := <-questions
	publishTo(ch, "", d.ReplyTo, amqp.Publishing{CorrelationId: d.CorrelationId, Body: append([]byte("pong to "), d.Body...)})
	a := <-answers
	return fmt.Sprintf("%q for %s", a.Body, a.CorrelationId)
}

func counts(_ *amqp.Connection, ch *amqp.Channel) string {
	q := queue(ch, "counts", nil)
	publish(ch, q, "1", "2")
	fill(ch, q, 2)
	purged := must1(ch.QueuePurge(q, false))
	publish(ch, q, "3")
	fill(ch, q, 1)
	d := <-consume(ch, q, "tag", false)
	must(ch.Cancel("tag", false))
	must(d.Nack(false, true))
	fill(ch, q, 1)
	return fmt.Sprintf("purged %d, deleted with %d", purged, must1(ch.QueueDelete(q, false, false, false)))
}

func cancelled(conn *amqp.Connection, ch *amqp.Channel) string {
	q := queue(ch, "cancelled", nil)
	tags := ch.NotifyCancel(make(chan string, 1))
	consume(ch, q, "tag", false)
	must1(must1(conn.Channel()).QueueDelete(q, false, false, false))
	tag, state := <-tags, "open"
	if ch.IsClosed() {
		state = "closed"
	}
	return fmt.Sprintf("%q, and the channel is %s", tag, state)
}
