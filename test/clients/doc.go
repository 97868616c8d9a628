// Package clients has other projects' clients drive a broker: pika's blocking and
// event-loop connections, RabbitMQ's Go client, amqplib for Node and the command
// line tools of rabbitmq-c. Each runs the same scenarios over TCP and over TLS
// and prints what it saw, one line for each, which must be what
// testdata/expected.txt says.
//
// Where a client cannot do a scenario, or puts it in words of its own, the test's
// table and testdata/expected.txt say so.
package clients
