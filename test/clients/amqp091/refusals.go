package main

import amqp "github.com/rabbitmq/amqp091-go"

// refusals are more of what brokers close channels for.
var refusals = []struct {
	name string
	run  func(*amqp.Connection, *amqp.Channel) error
}{
	{"binding to the default exchange", func(_ *amqp.Connection, ch *amqp.Channel) error {
		return ch.QueueBind(queue(ch, "q", nil), "key", "", false, nil)
	}},
	{"deleting an exchange of the broker's", func(_ *amqp.Connection, ch *amqp.Channel) error {
		return ch.ExchangeDelete("amq.fanout", false, false)
	}},
	{"publishing to an internal exchange", func(_ *amqp.Connection, ch *amqp.Channel) error {
		source, internal := named("to-internal"), named("internal")
		must(ch.ExchangeDeclare(source, "fanout", false, true, false, false, nil))
		must(ch.ExchangeDeclare(internal, "fanout", false, true, true, false, nil))
		must(ch.ExchangeBind(internal, "", source, false, nil))
		must(ch.QueueBind(queue(ch, "q", nil), "", internal, false, nil))
		return ended(ch, func() error { return ch.Publish(internal, "", false, false, amqp.Publishing{}) })
	}},
	{"deleting a queue in use", func(_ *amqp.Connection, ch *amqp.Channel) error {
		q := queue(ch, "used", nil)
		consume(ch, q, "", true)
		_, err := ch.QueueDelete(q, true, false, false)
		return err
	}},
	{"publishing as somebody else", func(_ *amqp.Connection, ch *amqp.Channel) error {
		return ended(ch, func() error { return ch.Publish("", "key", false, false, amqp.Publishing{UserId: "else"}) })
	}},
	{"expiring at a word", func(_ *amqp.Connection, ch *amqp.Channel) error {
		q := queue(ch, "q", nil)
		return ended(ch, func() error { return ch.Publish("", q, false, false, amqp.Publishing{Expiration: "soon"}) })
	}},
	{"negative lifetime", func(_ *amqp.Connection, ch *amqp.Channel) error {
		_, err := ch.QueueDeclare(named("negative"), false, false, true, false, amqp.Table{"x-message-ttl": -1})
		return err
	}},
	{"transactions after confirms", func(_ *amqp.Connection, ch *amqp.Channel) error {
		must(ch.Confirm(false))
		return ch.Tx()
	}},
	{"reply without a consumer", func(_ *amqp.Connection, ch *amqp.Channel) error {
		return ended(ch, func() error {
			return ch.Publish("", "key", false, false, amqp.Publishing{ReplyTo: "amq.rabbitmq.reply-to"})
		})
	}},
	{"other kind of exchange", func(_ *amqp.Connection, ch *amqp.Channel) error {
		must(ch.ExchangeDeclare(named("kind"), "fanout", false, true, false, false, nil))
		must(ch.QueueBind(queue(ch, "q", nil), "", named("kind"), false, nil))
		return ch.ExchangeDeclare(named("kind"), "direct", false, true, false, false, nil)
	}},
}

// offences are what brokers close connections for.
var offences = []struct {
	name string
	run  func(*amqp.Connection, *amqp.Channel) error
}{
	{"immediate", func(conn *amqp.Connection, ch *amqp.Channel) error {
		closed := conn.NotifyClose(make(chan *amqp.Error, 1))
		must(ch.Publish("", queue(ch, "immediate", nil), false, true, amqp.Publishing{}))
		return <-closed
	}},
	{"prefetch of bytes", func(_ *amqp.Connection, ch *amqp.Channel) error { return ch.Qos(0, 1, false) }},
	{"consumer tag in use", func(_ *amqp.Connection, ch *amqp.Channel) error {
		q := queue(ch, "tags", nil)
		consume(ch, q, "tag", true)
		_, err := ch.Consume(q, "tag", true, false, false, false, nil)
		return err
	}},
}
