package blocking_test

import (
	"errors"
	"testing"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/internal/fakebroker"
	"github.com/haypile/haypile/core/wire"
)

// transacting answers the methods of transactions.
func transacting(int) answer {
	return func(s *fakebroker.Session, m wire.Method, ch uint16, _ []byte) {
		switch m.(type) {
		case *wire.TxSelect:
			s.Send(ch, &wire.TxSelectOk{})
		case *wire.TxCommit:
			s.Send(ch, &wire.TxCommitOk{})
		case *wire.TxRollback:
			s.Send(ch, &wire.TxRollbackOk{})
		}
	}
}

func TestATransactionThatWasLostIsNotCommitted(t *testing.T) {
	publish := func(t *testing.T, ch *blocking.Channel, body string) {
		t.Helper()
		if err := ch.Publish(testContext(t), &blocking.Publishing{Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
	}
	begin := func(t *testing.T) *restarting {
		t.Helper()
		r := connectRestarting(t, transacting)
		if err := r.ch.TxSelect(testContext(t)); err != nil {
			t.Fatal(err)
		}
		return r
	}
	t.Run("a part of it was sent before", func(t *testing.T) {
		r := begin(t)
		publish(t, r.ch, "lost")
		if err := r.ch.ExchangeDeclare(testContext(t), &blocking.ExchangeDeclare{Exchange: "e"}); err != nil {
			t.Fatal(err) // it has been sent
		}
		r.lose(t)
		await[blocking.Recovered](t, r)
		publish(t, r.ch, "rest")
		if err := r.ch.TxCommit(testContext(t)); !errors.Is(err, blocking.ErrTransactionLost) {
			t.Errorf("the commit: %v", err)
		}
		publish(t, r.ch, "next")
		if err := r.ch.TxCommit(testContext(t)); err != nil {
			t.Errorf("the next one: %v", err)
		}
		r.expect(t, "channel.open", "exchange.declare e", "channel.close", "channel.open", "tx.select",
			"basic.publish rest", "tx.rollback", "basic.publish next", "tx.commit")
	})
	t.Run("it was rolled back", func(t *testing.T) {
		r := begin(t)
		publish(t, r.ch, "lost")
		if err := r.ch.ExchangeDeclare(testContext(t), &blocking.ExchangeDeclare{Exchange: "e"}); err != nil {
			t.Fatal(err)
		}
		r.lose(t)
		if err := r.ch.TxRollback(testContext(t)); err != nil {
			t.Error(err)
		}
		if err := r.ch.TxCommit(testContext(t)); err != nil {
			t.Errorf("the commit behind it: %v", err)
		}
	})
	t.Run("it was empty", func(t *testing.T) {
		r := begin(t)
		r.lose(t)
		publish(t, r.ch, "all")
		if err := r.ch.TxCommit(testContext(t)); err != nil {
			t.Errorf("the commit: %v", err)
		}
	})
}
