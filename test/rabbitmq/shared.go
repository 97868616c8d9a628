package rabbitmq

import (
	"os"
	"sync"
	"testing"
)

// shared is the node that the tests of a binary share.
var shared struct {
	once sync.Once
	node *Node
	err  error
}

// URL is an AMQP URI for tests that need nothing but a broker: AMQP_URL if that
// is set, else of a node that all such tests of the binary share.
func URL(t testing.TB) string {
	t.Helper()
	if url := os.Getenv("AMQP_URL"); url != "" {
		return url
	}
	return Shared(t).URL()
}

// TLSURL is URL with TLS, or AMQPS_URL if that is set.
func TLSURL(t testing.TB) string {
	t.Helper()
	if url := os.Getenv("AMQPS_URL"); url != "" {
		return url
	}
	return Shared(t).TLSURL()
}

// Shared is the node that all tests of the binary share, for those that need to
// steer it. It listens for TLS, too. It must be left as it was found.
func Shared(t testing.TB) *Node {
	t.Helper()
	shared.once.Do(func() { shared.node, shared.err = New(WithTLS()) })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.node
}

// Main runs the tests and removes the shared node, for TestMain.
func Main(m *testing.M) {
	code := m.Run()
	if shared.node != nil {
		shared.node.Remove()
	}
	os.Exit(code)
}
