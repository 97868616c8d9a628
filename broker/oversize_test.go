package broker_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/broker"
	"github.com/haypile/haypile/core/wire"
)

// Headers cannot be cut into frames: a client with a smaller frame-max than the
// publisher's cannot get them, and must not wait for them in vain.
func TestAMessageThatDoesNotFitAClientsFramesEndsTheConnection(t *testing.T) {
	for _, test := range []struct {
		name string
		ask  func(ch *blocking.Channel) error
	}{
		{"by basic.get", func(ch *blocking.Channel) error {
			_, err := ch.Get(timeout(t), &blocking.Get{Queue: "q"})
			return err
		}},
		{"by basic.deliver", func(ch *blocking.Channel) error {
			for _, err := range ch.Consume(timeout(t), &blocking.Consume{Queue: "q"}) {
				return err
			}
			return nil
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := start(t, broker.WithProfile(broker.RabbitMQ3))
			ch := openChannel(t, b)
			makeQueues(t, ch, "q")
			err := ch.PublishConfirm(timeout(t), &blocking.Publishing{
				RoutingKey: "q", Properties: &blocking.Properties{Headers: blocking.Table{"large": strings.Repeat("x", 10_000)}},
			})
			if err != nil {
				t.Fatal(err)
			}
			reader := dial(t, b.URL()+"?frame_max=8192")
			err = test.ask(reader)
			var e *blocking.Error
			if !errors.As(err, &e) || e.Code != wire.FrameError {
				t.Errorf("got %v", err)
			}
			if err := b.WaitReady(timeout(t), "q", 1); err != nil {
				t.Error(err)
			}
		})
	}
}
