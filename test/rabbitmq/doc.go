// Package rabbitmq starts real RabbitMQ nodes for tests.
//
//	func TestMain(m *testing.M) { rabbitmq.Main(m) }
//
//	func TestSomething(t *testing.T) {
//		url := rabbitmq.URL(t)      // a node that all tests of the package share
//		node := rabbitmq.Start(t)   // a node of the test's own, to stop and kill
//		nodes := rabbitmq.StartCluster(t, 3)
//		…
//	}
//
// A node has its own name, ports, cookie, port mapper (epmd), configuration and
// data, all of them in one temporary folder and on 127.0.0.1, so that any number
// of nodes run beside each other and beside a RabbitMQ of the machine's own. The
// nodes of a cluster share their cookie and port mapper, and nothing else.
//
// Nothing outlives the test binary, also when it panics or is killed: a shell
// that holds a pipe of the binary sees it close, kills what is left and removes
// the folder.
//
// RabbitMQ must be installed; test/run sees to that. The environment variable
// AMQP_URL points URL at another broker instead, AMQPS_URL does so for TLSURL.
package rabbitmq
