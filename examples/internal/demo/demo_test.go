package demo

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/haypile/haypile/adapters/blocking"
)

func TestAnExampleWithoutURLHasABrokerOfItsOwn(t *testing.T) {
	var left *blocking.Conn
	err := runOn(t.Context(), "", func(ctx context.Context, url string) (err error) {
		left, err = blocking.Dial(ctx, url, blocking.WithRecovery(nil))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	<-left.Done() // or the broker runs on when the example has ended
	if err := left.Err(); !errors.Is(err, blocking.ConnectionForced) {
		t.Errorf("the connection that was left ended with %v", err)
	}
}

func TestOnlyABrokerThatCannotBeReachedIsExplained(t *testing.T) {
	_, unreachable := blocking.Dial(t.Context(), "amqp://127.0.0.1:1/")
	for err, explained := range map[error]bool{unreachable: true, errors.New("amqp: something else"): false} {
		got := runOn(t.Context(), "amqp://ignored/", func(context.Context, string) error { return err })
		if !errors.Is(got, err) || strings.Contains(got.Error(), "Without -url") != explained {
			t.Errorf("%v became %v", err, got)
		}
	}
}
