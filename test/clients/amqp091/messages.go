package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

func server(conn *amqp.Connection, _ *amqp.Channel) string {
	var has []string
	for name, yes := range conn.Properties["capabilities"].(amqp.Table) {
		if yes == true {
			has = append(has, name)
		}
	}
	slices.Sort(has)
	return strings.Join(has, ", ")
}

func get(_ *amqp.Connection, ch *amqp.Channel) string {
	q, exchange := queue(ch, "get", nil), named("direct")
	must(ch.ExchangeDeclare(exchange, "direct", false, true, false, false, nil))
	must(ch.QueueBind(q, "key", exchange, false, nil))
	for _, body := range []string{"one", "two"} {
		publishTo(ch, exchange, "key", amqp.Publishing{Body: []byte(body)})
	}
	fill(ch, q, 2)
	var saw []string
	for range 2 {
		d, _ := must2(ch.Get(q, false))
		saw = append(saw, fmt.Sprintf("%q from %q by %q, %d left", d.Body, d.Exchange, d.RoutingKey, d.MessageCount))
		must(d.Ack(false))
	}
	if _, ok := must2(ch.Get(q, false)); !ok {
		saw = append(saw, "empty")
	}
	return strings.Join(saw, "; ")
}

func properties(_ *amqp.Connection, ch *amqp.Channel) string {
	q := queue(ch, "properties", nil)
	publishTo(ch, "", q, amqp.Publishing{
		ContentType: "text/plain", ContentEncoding: "utf-8", DeliveryMode: 2, Priority: 3,
		CorrelationId: "correlation", ReplyTo: "reply", Expiration: "60000", MessageId: "message",
		Timestamp: time.Unix(1700000000, 0), Type: "type", UserId: "guest", AppId: "app",
		Headers: amqp.Table{"text": "x", "number": 42, "yes": true, "list": []any{"a", 1}, "nested": amqp.Table{"k": "v"}},
	})
	d := fetch(ch, q)
	saw := must1(json.Marshal(map[string]any{
		"content_type": d.ContentType, "content_encoding": d.ContentEncoding, "delivery_mode": d.DeliveryMode, "priority": d.Priority,
		"correlation_id": d.CorrelationId, "reply_to": d.ReplyTo, "expiration": d.Expiration, "message_id": d.MessageId,
		"timestamp": d.Timestamp.Unix(), "type": d.Type, "user_id": d.UserId, "app_id": d.AppId, "headers": d.Headers,
	}))
	return spaced(saw)
}

// spaced is JSON with the spaces that the other programs have.
func spaced(text []byte) string {
	return strings.NewReplacer(`":`, `": `, `,`, `, `).Replace(string(text))
}

func bindings(_ *amqp.Connection, ch *amqp.Channel) string {
	source, topic, headers := named("source"), named("topic"), named("headers")
	for name, kind := range map[string]string{source: "fanout", topic: "topic", headers: "headers"} {
		must(ch.ExchangeDeclare(name, kind, false, true, false, false, nil))
	}
	must(ch.ExchangeBind(topic, "", source, false, nil))
	must(ch.ExchangeBind(headers, "", source, false, nil))
	star, hash, all, some := queue(ch, "star", nil), queue(ch, "hash", nil), queue(ch, "all", nil), queue(ch, "any", nil)
	must(ch.QueueBind(star, "*.b", topic, false, nil))
	must(ch.QueueBind(hash, "a.#", topic, false, nil))
	for q, match := range map[string]string{all: "all", some: "any"} {
		must(ch.QueueBind(q, "", headers, false, amqp.Table{"x-match": match, "one": 1, "two": "2"}))
	}
	must(ch.Confirm(false))
	for _, p := range []struct {
		key   string
		table amqp.Table
	}{{"a", amqp.Table{"one": 1}}, {"a.b", amqp.Table{"one": 1, "two": "2"}}, {"b.b.b", amqp.Table{}}} {
		must1(ch.PublishWithDeferredConfirm(source, p.key, false, false, amqp.Publishing{Headers: p.table})).Wait()
	}
	return fmt.Sprintf("*.b %d, a.# %d, all %d, any %d", ready(ch, star), ready(ch, hash), ready(ch, all), ready(ch, some))
}

func confirms(_ *amqp.Connection, ch *amqp.Channel) string {
	q := queue(ch, "confirms", nil)
	must(ch.Confirm(false))
	var sent []*amqp.DeferredConfirmation
	for range 100 {
		sent = append(sent, must1(ch.PublishWithDeferredConfirm("", q, false, false, amqp.Publishing{Body: []byte("x")})))
	}
	acked := 0
	for _, c := range sent {
		if c.Wait() {
			acked++
		}
	}
	return fmt.Sprintf("%d acked, %d ready", acked, ready(ch, q))
}

func returned(_ *amqp.Connection, ch *amqp.Channel) string {
	must(ch.Confirm(false))
	returns, acks := ch.NotifyReturn(make(chan amqp.Return, 1)), ch.NotifyPublish(make(chan amqp.Confirmation))
	must(ch.Publish("", named("nowhere"), true, false, amqp.Publishing{Body: []byte("lost")}))
	c := <-acks // the client reads nothing more before we take it
	select {
	case r := <-returns:
		outcome := map[bool]string{true: "acked", false: "nacked"}[c.Ack]
		return fmt.Sprintf("%d %s, %q to %q by %q, then %s", r.ReplyCode, r.ReplyText, r.Body, r.Exchange, r.RoutingKey, outcome)
	default:
		return "not returned before it is settled"
	}
}

func transaction(_ *amqp.Connection, ch *amqp.Channel) string {
	q := queue(ch, "transaction", nil)
	must(ch.Tx())
	publish(ch, q, "kept")
	before := ready(ch, q)
	must(ch.TxCommit())
	after := ready(ch, q)
	publish(ch, q, "dropped")
	must(ch.TxRollback())
	return fmt.Sprintf("%d before the commit, %d after it, %d after a rollback", before, after, ready(ch, q))
}

func serverNamed(_ *amqp.Connection, ch *amqp.Channel) string {
	name := must1(ch.QueueDeclare("", false, false, true, false, nil)).Name
	publish(ch, name, "x")
	d := fetch(ch, name)
	return fmt.Sprintf("%.8s, and it has %q", name, d.Body)
}

func many(_ *amqp.Connection, ch *amqp.Channel) string {
	const messages = 10_000
	q := queue(ch, "many", nil)
	must(ch.Qos(300, 0, false))
	deliveries := consume(ch, q, "", false)
	go func() {
		for i := range messages {
			publish(ch, q, strconv.Itoa(i))
		}
	}()
	for i := range messages {
		d := <-deliveries
		if string(d.Body) != strconv.Itoa(i) {
			return "in disorder"
		}
		if (i+1)%100 == 0 {
			must(d.Ack(true))
		}
	}
	return fmt.Sprintf("%d in order, %d left", messages, ready(ch, q))
}

func large(_ *amqp.Connection, ch *amqp.Channel) string {
	q := queue(ch, "large", nil)
	var saw []string
	for _, size := range []int{1 << 20, 5 << 20} {
		body := make([]byte, size)
		rand.Read(body)
		publishTo(ch, "", q, amqp.Publishing{Body: body})
		how := "harmed"
		if bytes.Equal(fetch(ch, q).Body, body) {
			how = "unharmed"
		}
		saw = append(saw, fmt.Sprintf("%d bytes %s", size, how))
	}
	return strings.Join(saw, ", ")
}
