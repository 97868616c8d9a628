package demo

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/haypile/haypile/adapters/blocking"
)

func dialAndClose(ctx context.Context, url string) error {
	conn, err := blocking.Dial(ctx, url)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

func TestAnExampleWithoutURLHasABrokerOfItsOwn(t *testing.T) {
	used := ""
	err := runOn(t.Context(), "", func(ctx context.Context, url string) error {
		used = url
		return dialAndClose(ctx, url)
	})
	if err != nil {
		t.Error(err)
	}
	if err := dialAndClose(t.Context(), used); err == nil {
		t.Error("the broker runs on when the example has ended")
	}
}

func TestOnlyABrokerThatCannotBeReachedIsExplained(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	unreachable := dialAndClose(t.Context(), "amqp://"+ln.Addr().String()+"/")
	for err, explained := range map[error]bool{unreachable: true, errors.New("amqp: something else"): false} {
		got := runOn(t.Context(), "amqp://ignored/", func(context.Context, string) error { return err })
		if !errors.Is(got, err) || strings.Contains(got.Error(), "Without -url") != explained {
			t.Errorf("%v became %v", err, got)
		}
	}
}
