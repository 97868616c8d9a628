package rabbitmq_test

import (
	"context"
	"testing"

	"github.com/haypile/haypile/test/rabbitmq"
)

// A test that restarts a broker of its own.
func ExampleStart() {
	TestRestart := func(t *testing.T) {
		node := rabbitmq.Start(t, rabbitmq.WithConfig("heartbeat = 5"))
		// connect to node.URL() and declare something durable
		if _, err := node.Ctl(context.Background(), "list_queues"); err != nil {
			t.Fatal(err)
		}
		if err := node.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := node.Restart(); err != nil {
			t.Fatal(err)
		}
		// what was durable is there again
	}
	_ = TestRestart
}
