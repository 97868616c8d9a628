package main

import (
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// ended waits for the broker to close the channel.
func ended(ch *amqp.Channel, do func() error) error {
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	must(do())
	return <-closed
}

func notFound(_ *amqp.Connection, ch *amqp.Channel) error {
	_, err := ch.Consume(named("missing"), "", false, false, false, false, nil)
	return err
}

func exchangeNotFound(_ *amqp.Connection, ch *amqp.Channel) error {
	return ended(ch, func() error {
		return ch.Publish(named("missing"), "key", false, false, amqp.Publishing{})
	})
}

func inequivalent(_ *amqp.Connection, ch *amqp.Channel) error {
	queue(ch, "inequivalent", nil)
	_, err := ch.QueueDeclare(named("inequivalent"), false, false, true, false, amqp.Table{"x-max-length": 5})
	return err
}

func unknownTag(_ *amqp.Connection, ch *amqp.Channel) error {
	return ended(ch, func() error { return ch.Ack(7, false) })
}

func reserved(_ *amqp.Connection, ch *amqp.Channel) error {
	_, err := ch.QueueDeclare("amq.mine", false, false, false, false, nil)
	return err
}

func locked(_ *amqp.Connection, ch *amqp.Channel) error {
	other := must1(dial("guest", amqp.Config{}))
	defer other.Close()
	queue(must1(other.Channel()), "locked", nil)
	_, err := ch.QueueDeclarePassive(named("locked"), false, false, false, false, nil)
	return err
}

func consumerExists(conn *amqp.Connection, ch *amqp.Channel) error {
	q := queue(ch, "exclusively", nil)
	must1(ch.Consume(q, "", false, true, false, false, nil))
	_, err := must1(conn.Channel()).Consume(q, "", false, false, false, false, nil)
	return err
}

func wrongPassword() string {
	_, err := dial("wrong", amqp.Config{})
	return reason(err)
}

func wrongVirtualHost() string {
	_, err := dial("guest", amqp.Config{Vhost: "nowhere"})
	return reason(err)
}

func amqplain() string {
	conn := must1(dial("guest", amqp.Config{SASL: []amqp.Authentication{&amqp.AMQPlainAuth{Username: "guest", Password: "guest"}}}))
	must(conn.Close())
	return "let in"
}

func idle() string {
	conn := must1(dial("guest", amqp.Config{Heartbeat: 5 * time.Second}))
	time.Sleep(16 * time.Second) // that is the scenario: nothing but heartbeats
	ch := must1(conn.Channel())
	publish(ch, queue(ch, "idle", nil), "x")
	must(conn.Close())
	return "open after some heartbeats"
}

func blocked(conn *amqp.Connection, ch *amqp.Channel) string {
	q := queue(ch, "blocked", nil)
	told := conn.NotifyBlocked(make(chan amqp.Blocking, 2))
	fmt.Println("!block")
	must1(input.ReadString('\n'))
	publish(ch, q, "x")
	begin := <-told
	fmt.Println("!unblock")
	end := "unblocked"
	if (<-told).Active {
		end = "blocked"
	}
	return fmt.Sprintf("%q, then %s, and it has %q", begin.Reason, end, fetch(ch, q).Body)
}

func closed() string {
	conn := must1(dial("guest", amqp.Config{}))
	ch := must1(conn.Channel())
	must(ch.Close())
	must(conn.Close())
	return "closed"
}
