// Package test holds the acceptance tests: the library against a real RabbitMQ.
// Run them by test/run.
package test
