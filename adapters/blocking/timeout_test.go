package blocking_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/internal/fakebroker"
	"github.com/haypile/haypile/core/wire"
)

// patience is a time in bubbles, where what is answered takes next to none.
const patience = time.Second / 2

// Every call that waits for the broker ends, and what it would have been answered
// then does not get into the way of others.
func TestCallsEndWithTheRPCTimeoutAndTheChannelGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		refused := make(chan string, 10)
		conn, ch := connectOn(t, simulated, func(s *fakebroker.Session, m wire.Method, n uint16, _ []byte) {
			switch m := m.(type) {
			case *wire.QueueDeclare:
				if m.Queue == "slow" {
					<-release
				}
				s.Send(n, &wire.QueueDeclareOk{Queue: m.Queue})
			case *wire.BasicGet:
				s.Send(n, &wire.BasicGetOk{DeliveryTag: 1}, "message")
			case *wire.BasicConsume:
				s.Send(n, &wire.BasicConsumeOk{ConsumerTag: "c"})
			case *wire.ConnectionUpdateSecret:
				s.Send(0, &wire.ConnectionUpdateSecretOk{})
			case *wire.BasicCancel:
				refused <- "cancel " + m.ConsumerTag
				s.Send(n, &wire.BasicCancelOk{ConsumerTag: m.ConsumerTag})
			case *wire.BasicNack:
				refused <- "nack"
			default:
				obey(s, m, n)
			}
		}, blocking.WithRPCTimeout(patience))
		ctx := context.Background() // has no end
		_, declare := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "slow"})
		_, get := ch.Get(ctx, &blocking.Get{Queue: "q"})
		var consume error
		for _, consume = range ch.Consume(ctx, &blocking.Consume{Queue: "q"}) {
		}
		for call, err := range map[string]error{
			"QueueDeclare": declare, "Get": get, "Consume": consume, "UpdateSecret": conn.UpdateSecret(ctx, blocking.NewSecret("x"), ""),
		} {
			if !errors.Is(err, blocking.ErrRPCTimeout) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", call, err)
			}
		}
		close(release)
		eventually(t, "another call", func() bool {
			ok, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "next"})
			if err == nil && ok.Queue != "next" {
				t.Fatalf("the answer is for %q", ok.Queue)
			}
			return err == nil
		})
		// What nobody waited for any more is given back.
		for range 2 {
			if got := <-refused; got != "nack" && got != "cancel c" {
				t.Errorf("the broker got %s", got)
			}
		}
	})
}

func TestTheRPCTimeoutEndsCallsWhileTheConnectionIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		r := connectRestartingOn(t, simulated, names, blocking.WithRPCTimeout(patience))
		r.admit(func(int, *fakebroker.Session) bool { <-hold; return true })
		r.lose(t)
		var lost *blocking.TransportError
		if err := r.ch.ConfirmSelect(context.Background()); !errors.Is(err, blocking.ErrRPCTimeout) || !errors.As(err, &lost) {
			t.Errorf("a call: %v", err)
		}
		close(hold)
		await[blocking.Recovered](t, r)
		if err := r.ch.ExchangeDeclare(testContext(t), &blocking.ExchangeDeclare{Exchange: "e"}); err != nil && !errors.Is(err, blocking.ErrRPCTimeout) {
			t.Error(err)
		}
		// The call that was given up was never sent.
		r.expect(t, "channel.open", "exchange.declare e")
	})
}

func TestANegativeRPCTimeoutIsRefused(t *testing.T) {
	var e *blocking.ConfigError
	if _, err := blocking.Dial(testContext(t), "amqp://127.0.0.1:1", blocking.WithRPCTimeout(-1)); !errors.As(err, &e) {
		t.Error(err)
	}
}
