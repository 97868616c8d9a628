package blocking_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
)

// What the broker answers is behind the messages for which there is no room.
func TestCloseReadsPastAFullInbox(t *testing.T) {
	for name, closing := range map[string]func(context.Context, *blocking.Channel) error{
		"of the channel": func(ctx context.Context, ch *blocking.Channel) error { return ch.Close(ctx) },
		"of another": func(ctx context.Context, ch *blocking.Channel) error {
			other, err := ch.Conn().Channel(ctx)
			if err != nil {
				return err
			}
			return other.Close(ctx)
		},
		"of the connection": func(ctx context.Context, ch *blocking.Channel) error { return ch.Conn().Close(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, ch := connectOn(t, simulated, deliveries(20_000, make(chan string, 1)))
				for _, err := range ch.Consume(testContext(t), &blocking.Consume{Queue: "q", NoAck: true}) {
					if err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Second) // of the bubble: until nothing is read any more
					if err := closing(testContext(t), ch); err != nil {
						t.Error(err)
					}
					break
				}
			})
		})
	}
}
