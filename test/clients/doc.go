// Package clients has other projects' clients drive a broker: pika's blocking and
// event-loop connections, RabbitMQ's Go client, amqplib for Node and the command
// line tools of rabbitmq-c. Each runs the same scenarios over TCP, and over TLS
// where that may differ, and prints what it saw, one line for each, which must be what
// testdata/expected.txt says, of RabbitMQ and of the embedded broker alike.
//
// Where a client cannot do a scenario, or puts it in words of its own, the test's
// table and testdata/expected.txt say so. A program runs alone, too, against a
// broker on localhost where guest may do all, with some scenarios, or with all but
// those that last or disturb:
//
//	amqp-tools/run localhost 5672 my- - "not found" many
//
// test/run installs the clients.
package clients
