// Package examples runs every program in the examples folder, with a broker of its
// own and against a RabbitMQ.
package examples
