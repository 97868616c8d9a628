package blocking_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/internal/fakebroker"
	"github.com/haypile/haypile/core/wire"
)

// exchanging passes requests to the consumer of "q", once, and replies to the one of
// replies, as a broker does.
func exchanging() answer {
	var service, replies uint16
	tag := uint64(0)
	return func(s *fakebroker.Session, m wire.Method, n uint16, body []byte) {
		switch m := m.(type) {
		case *wire.BasicConsume:
			if m.Queue == replyTo {
				replies = n
			} else {
				service = n
			}
			s.Send(n, &wire.BasicConsumeOk{ConsumerTag: m.Queue})
		case *wire.BasicPublish:
			to, consumer := service, "q"
			if strings.HasPrefix(m.RoutingKey, replyTo) {
				to, consumer = replies, replyTo
			}
			tag++
			s.SendContent(to, &wire.BasicDeliver{ConsumerTag: consumer, DeliveryTag: tag}, s.Properties, string(body))
		default:
			obey(s, m, n)
		}
	}
}

func TestACallerHearsThatItsRequestFailed(t *testing.T) {
	long := strings.Repeat("long ", 1000)
	conn, ch := connect(t, exchanging(), blocking.WithEvents(func(blocking.Event) {}))
	ctx, cancel := context.WithCancel(testContext(t))
	served := make(chan error, 1)
	go func() {
		served <- ch.Serve(ctx, &blocking.Handle{
			Consume: blocking.Consume{Queue: "q"},
			Requeue: func(*blocking.Delivery, error) bool { return false },
		}, func(_ context.Context, d *blocking.Delivery) (*blocking.Publishing, error) {
			switch what := string(d.Body); what {
			case "panic":
				panic("with a secret")
			case "exit":
				runtime.Goexit()
			case "work":
				return &blocking.Publishing{Properties: &blocking.Properties{Headers: blocking.Table{"mine": 1}}, Body: []byte("done")}, nil
			default:
				return nil, errors.New(what)
			}
			return nil, nil
		})
	}()
	caller := newCaller(t, conn)
	call := func(body string) (*blocking.Delivery, error) {
		return caller.Call(testContext(t), &blocking.Publishing{RoutingKey: "service", Body: []byte(body)})
	}
	eventually(t, "the service", func() bool { return conn.Stats().Consumers == 2 })
	for body, want := range map[string]string{
		"no such order": "no such order", "panic": "the handler panicked", "exit": "Goexit", long: long[:1024],
	} {
		d, err := call(body)
		var e *blocking.ReplyError
		if d != nil || !errors.As(err, &e) || !strings.Contains(e.Text, want) || strings.Contains(e.Text, "secret") || e.Reply == nil {
			t.Errorf("%.20s: %v, %v", body, d, err)
		}
	}
	if d, err := call("work"); err != nil || string(d.Body) != "done" {
		t.Errorf("a request that does not fail: %v, %v", d, err)
	}
	cancel()
	if err := <-served; !errors.Is(err, context.Canceled) {
		t.Errorf("Serve returned %v", err)
	}
}
