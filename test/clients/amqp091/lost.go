package main

import (
	"fmt"
	"net"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
)

// killed is a connection that ends without a word while it has a message.
func killed() string {
	var socket net.Conn
	conn := must1(dial("guest", amqp.Config{Dial: func(network, addr string) (c net.Conn, err error) {
		socket, err = net.DialTimeout(network, addr, bound)
		return socket, err
	}}))
	ch := must1(conn.Channel())
	q := must1(ch.QueueDeclare(named("killed"), true, false, false, false, nil)).Name
	publish(ch, q, "x")
	<-consume(ch, q, "", false)
	must(socket.Close())
	return withChannel(func(_ *amqp.Connection, ch *amqp.Channel) string {
		d := fetch(ch, q)
		must1(ch.QueueDelete(q, false, false, false))
		return again(d)
	})()
}

// concurrent has many goroutines publish with confirms, each on a channel of its
// own, and as many consume.
func concurrent(conn *amqp.Connection, ch *amqp.Channel) string {
	const each, workers = 500, 8
	q := queue(ch, "concurrent", nil)
	var group sync.WaitGroup
	var confirmed, consumed [workers]int
	all := make(chan amqp.Delivery)
	for i := range workers {
		in := must1(conn.Channel())
		must(in.Qos(20, 0, false))
		deliveries := consume(in, q, fmt.Sprint(i), false)
		go func() {
			for d := range deliveries {
				all <- d
			}
		}()
		out := must1(conn.Channel())
		must(out.Confirm(false))
		group.Go(func() {
			for range each {
				c, err := out.PublishWithDeferredConfirm("", q, false, false, amqp.Publishing{Type: fmt.Sprint(i)})
				if err == nil && c.Wait() {
					confirmed[i]++
				}
			}
		})
	}
	for range each * workers {
		d := <-all
		var from int
		must1(fmt.Sscan(d.Type, &from))
		consumed[from]++
		must(d.Ack(false))
	}
	group.Wait()
	for i := range workers {
		if confirmed[i] != each || consumed[i] != each {
			return fmt.Sprintf("confirmed %v, consumed %v", confirmed, consumed)
		}
	}
	return fmt.Sprintf("%d confirmed and consumed, %d left", each*workers, ready(ch, q))
}

func restart() string {
	conn := must1(dial("guest", amqp.Config{}))
	ch := must1(conn.Channel())
	q := must1(ch.QueueDeclare(named("restart"), true, false, false, false, nil)).Name
	must(ch.Confirm(false))
	for body, mode := range map[string]uint8{"lost": amqp.Transient, "kept": amqp.Persistent} {
		must1(ch.PublishWithDeferredConfirm("", q, false, false, amqp.Publishing{DeliveryMode: mode, Body: []byte(body)})).Wait()
	}
	ended := conn.NotifyClose(make(chan *amqp.Error, 1))
	fmt.Println("!restart")
	saw := reason(<-ended)
	must1(input.ReadString('\n'))
	return withChannel(func(_ *amqp.Connection, ch *amqp.Channel) string {
		d := fetch(ch, q)
		saw += fmt.Sprintf("; %q of %d", d.Body, d.MessageCount+1)
		must1(ch.QueueDelete(q, false, false, false))
		return saw
	})()
}
