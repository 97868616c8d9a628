package broker_test

import (
	"context"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/broker"
)

func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	t.Cleanup(cancel)
	return ctx
}

// inMemory has a client connect without the system's network.
func inMemory(b *broker.Broker) blocking.Option {
	return blocking.WithParams(func(p *blocking.Params) { p.DialContext = b.DialContext })
}

const memoryURL = "amqp://guest:guest@memory/"

// attach connects a client in memory, which does not come back when it is lost unless
// the options say so, and ends with the test.
func attach(t testing.TB, b *broker.Broker, opts ...blocking.Option) *blocking.Conn {
	t.Helper()
	ctx := testContext(t)
	opts = append([]blocking.Option{blocking.WithRecovery(nil), inMemory(b)}, opts...)
	conn, err := blocking.Dial(ctx, memoryURL, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(ctx) })
	return conn
}

// openChannel is attach, and a channel.
func openChannel(t testing.TB, b *broker.Broker, opts ...blocking.Option) *blocking.Channel {
	t.Helper()
	ch, err := attach(t, b, opts...).Channel(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

// makeQueues makes queues that the profile of any RabbitMQ allows.
func makeQueues(t testing.TB, ch *blocking.Channel, queues ...string) {
	t.Helper()
	for _, q := range queues {
		if _, err := ch.QueueDeclare(testContext(t), &blocking.QueueDeclare{Queue: q, Durable: true}); err != nil {
			t.Fatal(err)
		}
	}
}

func mustPublish(t testing.TB, ch *blocking.Channel, queue, body string) {
	t.Helper()
	if err := ch.PublishConfirm(testContext(t), &blocking.Publishing{RoutingKey: queue, Body: []byte(body)}); err != nil {
		t.Fatal(err)
	}
}

// descriptors is how many the process has open, zero where the system does not tell.
func descriptors() int {
	entries, _ := os.ReadDir("/proc/self/fd")
	return len(entries)
}

// checkLeaks fails a test that leaves goroutines or descriptors.
func checkLeaks(t *testing.T) {
	goroutines, files := runtime.NumGoroutine(), descriptors()
	t.Cleanup(func() {
		deadline := time.Now().Add(bound)
		for runtime.NumGoroutine() > goroutines || descriptors() > files {
			if time.Now().After(deadline) {
				buf := make([]byte, 1<<20)
				t.Fatalf("%d descriptors, %d before; goroutines:\n%s", descriptors(), files, buf[:runtime.Stack(buf, true)])
			}
			time.Sleep(time.Millisecond)
		}
	})
}

// hasQueue tells whether there is a queue.
func hasQueue(b *broker.Broker, queue string) bool {
	s := b.State()
	return s.Queue("/", queue) != nil
}
