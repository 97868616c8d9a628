// Package examples runs every program in the examples folder against a RabbitMQ.
package examples
