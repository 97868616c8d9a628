// Command amqp091 drives a broker by RabbitMQ's own Go client and prints one line
// for each scenario.
//
//	amqp091 HOST PORT PREFIX CA [SCENARIO ...]
//
// Names of queues and exchanges begin with PREFIX. CA is the file of an authority
// to trust, for TLS, or "-".
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// alone are scenarios that run when they are asked for.
var alone = []string{"restart", "idle"}

// bound is for one scenario, generously.
const bound = 90 * time.Second

var host, port, prefix, authority string

var input = bufio.NewReader(os.Stdin)

type scenario struct {
	name string
	run  func() string
}

var scenarios = []scenario{
	{"server", withChannel(server)},
	{"get", withChannel(get)},
	{"properties", withChannel(properties)},
	{"bindings", withChannel(bindings)},
	{"confirms", withChannel(confirms)},
	{"return", withChannel(returned)},
	{"prefetch", withChannel(prefetch)},
	{"requeue", withChannel(requeue)},
	{"recover", withChannel(recovered)},
	{"rejected", withChannel(rejected)},
	{"expired", withChannel(expired)},
	{"rpc", withChannel(rpc)},
	{"transaction", withChannel(transaction)},
	{"server-named", withChannel(serverNamed)},
	{"counts", withChannel(counts)},
	{"overflow", withChannel(overflow)},
	{"priorities", withChannel(priorities)},
	{"single active consumer", withChannel(singleActive)},
	{"consumer priority", withChannel(consumerPriority)},
	{"quorum", withChannel(quorum)},
	{"alternate exchange", withChannel(alternate)},
	{"queue expires", withChannel(queueExpires)},
	{"channels", withChannel(channels)},
	{"small frames", smallFrames},
	{"consumer cancelled", withChannel(cancelled)},
	{"not found", refused(notFound)},
	{"exchange not found", refused(exchangeNotFound)},
	{"inequivalent", refused(inequivalent)},
	{"unknown tag", refused(unknownTag)},
	{"refused", refused(reserved)},
	{"locked", refused(locked)},
	{"consumer exists", refused(consumerExists)},
	{"wrong password", wrongPassword},
	{"wrong virtual host", wrongVirtualHost},
	{"mechanism AMQPLAIN", amqplain},
	{"idle", idle},
	{"many", withChannel(many)},
	{"large", withChannel(large)},
	{"blocked", withChannel(blocked)},
	{"killed", killed},
	{"concurrent", withChannel(concurrent)},
	{"close", closed},
	{"restart", restart},
}

func main() {
	host, port, prefix, authority = os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	only := os.Args[5:]
	for _, r := range refusals {
		scenarios = append(scenarios, scenario{r.name, refused(r.run)})
	}
	for _, o := range offences {
		scenarios = append(scenarios, scenario{o.name, offended(o.run)})
	}
	for _, s := range scenarios {
		if slices.Contains(only, s.name) || len(only) == 0 && !slices.Contains(alone, s.name) {
			fmt.Printf("%s: %s\n", s.name, guarded(s.run))
		}
	}
}

// guarded is what a scenario saw, or why it failed.
func guarded(run func() string) string {
	saw := make(chan string, 1)
	go func() {
		defer func() {
			if r := recover(); r != nil {
				saw <- fmt.Sprintf("failed: %v", r)
			}
		}()
		saw <- run()
	}()
	select {
	case s := <-saw:
		return s
	case <-time.After(bound):
		return fmt.Sprintf("failed: still waiting after %s", bound)
	}
}

// must ends a scenario that has an error.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

func must1[T any](v T, err error) T {
	must(err)
	return v
}

func dial(password string, cfg amqp.Config) (*amqp.Connection, error) {
	u := url.URL{Scheme: "amqp", User: url.UserPassword("guest", password), Host: net.JoinHostPort(host, port), Path: "/"}
	if authority != "-" {
		u.Scheme = "amqps"
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(must1(os.ReadFile(authority)))
		cfg.TLSClientConfig = &tls.Config{RootCAs: pool, ServerName: "localhost"}
	}
	return amqp.DialConfig(u.String(), cfg)
}

// withChannel runs a scenario on a channel of its own connection.
func withChannel(run func(*amqp.Connection, *amqp.Channel) string) func() string {
	return func() string {
		conn := must1(dial("guest", amqp.Config{}))
		defer conn.Close()
		return run(conn, must1(conn.Channel()))
	}
}

// refused is a scenario whose channel the broker closes.
func refused(run func(*amqp.Connection, *amqp.Channel) error) func() string {
	return withChannel(func(conn *amqp.Connection, ch *amqp.Channel) string {
		said := reason(run(conn, ch))
		must(must1(conn.Channel()).Close())
		return said
	})
}

// offended is a scenario whose connection the broker closes.
func offended(run func(*amqp.Connection, *amqp.Channel) error) func() string {
	return withChannel(func(conn *amqp.Connection, ch *amqp.Channel) string { return reason(run(conn, ch)) })
}

// reason is the code and text that the broker closed a channel or connection with.
func reason(err error) string {
	var said *amqp.Error
	if !errors.As(err, &said) {
		return fmt.Sprint("no reason: ", err)
	}
	return fmt.Sprint(said.Code, " ", said.Reason)
}

func named(name string) string { return prefix + name }

// queue declares a queue that goes away with its connection.
func queue(ch *amqp.Channel, name string, args amqp.Table) string {
	return must1(ch.QueueDeclare(named(name), false, false, true, false, args)).Name
}

func ready(ch *amqp.Channel, q string) int {
	return must1(ch.QueueDeclarePassive(q, false, false, false, false, nil)).Messages
}

// fill waits until the queue has as many messages, since publishes are not answered.
func fill(ch *amqp.Channel, q string, messages int) {
	for ready(ch, q) < messages {
	}
}

func publish(ch *amqp.Channel, key string, bodies ...string) {
	for _, body := range bodies {
		publishTo(ch, "", key, amqp.Publishing{Body: []byte(body)})
	}
}

func publishTo(ch *amqp.Channel, exchange, key string, p amqp.Publishing) {
	must(ch.Publish(exchange, key, false, false, p))
}

// fetch waits for a message and acks it.
func fetch(ch *amqp.Channel, q string) amqp.Delivery {
	for {
		if d, ok := must2(ch.Get(q, true)); ok {
			return d
		}
	}
}

func must2[A, B any](a A, b B, err error) (A, B) {
	must(err)
	return a, b
}

func consume(ch *amqp.Channel, q, tag string, autoAck bool) <-chan amqp.Delivery {
	return must1(ch.Consume(q, tag, autoAck, false, false, false, nil))
}

// again marks a message that has been delivered before.
func again(d amqp.Delivery) string {
	if d.Redelivered {
		return fmt.Sprintf("%q again", d.Body)
	}
	return fmt.Sprintf("%q", d.Body)
}
