package broker

import (
	"github.com/haypile/haypile/broker/internal/queue"
	"github.com/haypile/haypile/core/wire"
)

// transaction is what a channel in transaction mode has done since the last commit
// or rollback (AMQP 0-9-1 section 1.9).
type transaction struct {
	published []pending
	settled   []settling
	held      int64 // what the messages cost
}

// pending is a message that waits for tx.commit, with the keys that it is routed by.
type pending struct {
	message   *queue.Message
	keys      []string
	mandatory bool
}

type settling struct {
	delivery
	how settlement
}

func (t *transaction) settle(all []delivery, how settlement) {
	for _, d := range all {
		t.settled = append(t.settled, settling{d, how})
	}
}

func (ch *channel) txSelect() *exception {
	if ch.confirming {
		return raise(wire.PreconditionFailed, "cannot switch from confirm to tx mode")
	}
	if ch.tx == nil {
		ch.tx = &transaction{}
	}
	ch.send(&wire.TxSelectOk{})
	return nil
}

// postpone keeps a message for tx.commit.
func (t *transaction) postpone(b *Broker, p pending) {
	t.published = append(t.published, p)
	t.held += cost(p.message)
	b.memory.used += cost(p.message)
}

// endTx takes the messages of the transaction off the memory account.
func (ch *channel) endTx() { ch.session.broker.memory.used -= ch.tx.held }

var errNoTx = raise(wire.PreconditionFailed, "channel is not transactional")

func (ch *channel) txCommit() *exception {
	if ch.tx == nil {
		return errNoTx
	}
	done := ch.tx
	ch.endTx()
	ch.tx = &transaction{}
	failed := false
	for i := range done.published {
		p := &done.published[i]
		if !ch.deliver(p.message, p.keys, p.mandatory) {
			failed = true
		}
	}
	for i := range done.settled {
		ch.conclude([]delivery{done.settled[i].delivery}, done.settled[i].how)
	}
	if failed {
		return raise(wire.PreconditionFailed, "partial tx completion")
	}
	ch.send(&wire.TxCommitOk{})
	return nil
}

// undoTx ends the transaction as if it had never been.
func (ch *channel) undoTx() {
	ch.endTx()
	undone := make([]delivery, len(ch.tx.settled))
	for i := range ch.tx.settled {
		undone[i] = ch.tx.settled[i].delivery
	}
	ch.unacked.restore(undone)
	ch.tx = nil
}

func (ch *channel) txRollback() *exception {
	if ch.tx == nil {
		return errNoTx
	}
	ch.undoTx()
	ch.tx = &transaction{}
	ch.send(&wire.TxRollbackOk{})
	return nil
}
