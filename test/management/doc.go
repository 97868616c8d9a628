// Package management compares what broker/management answers with what the
// management plugin of a real RabbitMQ does.
package management
