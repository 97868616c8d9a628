package queue_test

import (
	"fmt"
	"time"

	"github.com/haypile/haypile/broker/internal/queue"
	"github.com/haypile/haypile/core/wire"
)

// printer is a channel without a prefetch.
type printer struct{ queue.Hooks }

func (printer) Ready(*queue.Consumer) bool { return true }
func (printer) Deliver(c *queue.Consumer, q *queue.Queue, e *queue.Entry) {
	fmt.Printf("%s gets %s\n", c.Tag, e.Message.Body)
}
func (printer) Gone(q *queue.Queue, m *queue.Message) { fmt.Printf("%s is gone\n", m.Body) }

func Example() {
	now := time.Now()
	cfg, err := queue.NewConfig("/", &wire.QueueDeclare{Queue: "jobs"})
	if err != nil {
		fmt.Println(err)
		return
	}
	q := queue.New(cfg, printer{}, now)
	for _, body := range []string{"one", "two"} {
		q.Publish(&queue.Message{Body: []byte(body), TTL: queue.NoTTL}, now)
	}
	q.Done(q.Get(now))
	if err := q.Subscribe(&queue.Consumer{Tag: "worker", Receiver: printer{}}, now); err != nil {
		fmt.Println(err)
		return
	}
	q.Dispatch(now)
	fmt.Println(q.Ready(), "ready,", q.Unacked(), "unacked")
	// Output:
	// one is gone
	// worker gets two
	// 0 ready, 1 unacked
}
