package blocking

import (
	"context"
	"errors"

	"github.com/haypile/haypile/core/wire"
)

// ErrTransactionLost is TxCommit's where the connection was lost, or the channel
// opened again, behind the first publish or ack of the transaction. Nothing of it
// has taken effect, and the next transaction has begun.
var ErrTransactionLost = errors.New("amqp: the transaction was lost with its connection or channel")

// transaction is what a channel has in its transaction. It is used on the loop.
type transaction struct {
	selected bool // the channel has transactions
	begun    bool // something was sent
	lost     bool // some of it on a channel that is no more
}

// lose is told that the broker has rolled back what was sent.
func (x *transaction) lose() {
	x.lost = x.lost || x.begun
	x.begun = false
}

// end is told that the next transaction begins; true when this one was lost.
func (x *transaction) end() bool {
	lost := x.lost
	x.begun, x.lost = false, false
	return lost
}

// TxSelect makes publishes and acks take effect only at TxCommit. A channel
// cannot have both transactions and confirms, nor transactions and merged acks.
func (ch *Channel) TxSelect(ctx context.Context) error {
	if ch.merger != nil {
		return &ConfigError{Field: "WithMergedAcks", Value: "set", Want: "not set on a channel with transactions"}
	}
	_, err := call(ctx, ch, &wire.TxSelect{})
	return err
}

// TxCommit makes the transaction's publishes and acks take effect. Of errors,
// ErrTransactionLost means that none has, ErrUnknownOutcome that they may have.
func (ch *Channel) TxCommit(ctx context.Context) error {
	return request(ctx, ch, wire.TxCommitID, func(w *waiter[*wire.TxCommitOk]) error {
		if !ch.tx.end() {
			return w.ask(ch, &wire.TxCommit{})
		}
		return counted(ch.conn, func(done func(*wire.TxRollbackOk, error)) error {
			return ch.core.TxRollback(&wire.TxRollback{}, done) // what was sent since
		}, func(_ *wire.TxRollbackOk, err error) { w.fail(orElse(err, ErrTransactionLost)) })
	})
}

// TxRollback undoes the transaction's publishes and acks.
func (ch *Channel) TxRollback(ctx context.Context) error {
	return request(ctx, ch, wire.TxRollbackID, func(w *waiter[*wire.TxRollbackOk]) error {
		ch.tx.end()
		return w.ask(ch, &wire.TxRollback{})
	})
}
