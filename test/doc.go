// Package test holds the acceptance tests: the library against a real RabbitMQ, and
// against the embedded broker, package broker, but for a few that notEmbedded lists.
// Run them by test/run, which goes through all adapters, and with TLS through some. The
// tests of one run share a broker; those that steer one, through the interface node,
// share another one, see TestSteeredBroker.
package test
