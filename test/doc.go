// Package test holds the acceptance tests: the library against a real RabbitMQ.
// Run them by test/run, which goes through all adapters, with TLS and without.
// The tests of one run share a node; those that steer a broker share another one,
// see TestSteeredBroker.
package test
