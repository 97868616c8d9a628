// Package cluster holds the tests that need a cluster of RabbitMQ nodes: what
// becomes of a client whose node goes away while the others live.
package cluster
