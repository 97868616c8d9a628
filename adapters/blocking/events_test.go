package blocking_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
)

func TestEventsReadAsSentences(t *testing.T) {
	err := errors.New("amqp: the reason")
	for want, e := range map[string]blocking.Event{
		"connection lost: the reason":                                                 blocking.Lost{Err: err},
		"attempt to connect failed: rabbit:5672: dialling: the reason":                blocking.AttemptFailed{Attempt: blocking.Attempt{Endpoint: blocking.Endpoint{Host: "rabbit", Port: 5672}, Phase: "dialling", Err: err}},
		"connection recovered after 1m0s":                                             blocking.Recovered{After: time.Minute},
		"connection was not recovered: the reason":                                    blocking.RecoveryFailed{Err: err},
		"connection ended: the reason":                                                blocking.Ended{Err: err},
		"connection ended":                                                            blocking.Ended{},
		`queue "q" was not made again: the reason`:                                    blocking.EntityFailed{Entity: blocking.Entity{Kind: blocking.EntityQueue, Name: "q"}, Err: err},
		`queue "a" is now "b"`:                                                        blocking.QueueRenamed{Old: "a", New: "b"},
		"channel opened again: the reason":                                            blocking.ChannelReopened{Err: err},
		"channel closed: the reason":                                                  blocking.ChannelFailed{Err: err},
		"publishing blocked by the broker: low on memory":                             blocking.Blocked{Reason: "low on memory"},
		"publishing unblocked":                                                        blocking.Unblocked{},
		"handler failed, and the message is delivered again: the reason":              blocking.HandlerFailed{Delivery: &blocking.Delivery{Body: []byte("secret")}, Err: err, Requeued: true},
		"handler failed, and the message is dropped or dead-lettered: another reason": blocking.HandlerFailed{Err: errors.New("another reason")},
	} {
		if got := fmt.Sprint(e); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
