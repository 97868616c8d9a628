package core

import "github.com/haypile/haypile/core/wire"

// The methods below send one request each, as Call does: the same errors, the
// same rules for done. Fields and their meaning stand with the request's type.

// ExchangeDeclare creates an exchange or checks that it exists as described
// (AMQP 0-9-1 section 1.6.2.1).
func (ch *Channel) ExchangeDeclare(req *wire.ExchangeDeclare, done func(*wire.ExchangeDeclareOk, error)) error {
	return Call(ch, req, done)
}

// ExchangeDelete deletes an exchange and its bindings (section 1.6.2.3).
func (ch *Channel) ExchangeDelete(req *wire.ExchangeDelete, done func(*wire.ExchangeDeleteOk, error)) error {
	return Call(ch, req, done)
}

// ExchangeBind binds an exchange to another as its destination.
// https://www.rabbitmq.com/docs/e2e
func (ch *Channel) ExchangeBind(req *wire.ExchangeBind, done func(*wire.ExchangeBindOk, error)) error {
	return Call(ch, req, done)
}

// ExchangeUnbind removes a binding between exchanges.
func (ch *Channel) ExchangeUnbind(req *wire.ExchangeUnbind, done func(*wire.ExchangeUnbindOk, error)) error {
	return Call(ch, req, done)
}

// QueueDeclare creates a queue or checks that it exists as described; the reply
// has the name that the broker chose for an empty one (section 1.7.2.1).
func (ch *Channel) QueueDeclare(req *wire.QueueDeclare, done func(*wire.QueueDeclareOk, error)) error {
	return Call(ch, req, done)
}

// QueueBind binds a queue to an exchange (section 1.7.2.3).
func (ch *Channel) QueueBind(req *wire.QueueBind, done func(*wire.QueueBindOk, error)) error {
	return Call(ch, req, done)
}

// QueueUnbind removes a binding of a queue (section 1.7.2.5).
func (ch *Channel) QueueUnbind(req *wire.QueueUnbind, done func(*wire.QueueUnbindOk, error)) error {
	return Call(ch, req, done)
}

// QueuePurge drops the messages of a queue that wait for delivery (section
// 1.7.2.7).
func (ch *Channel) QueuePurge(req *wire.QueuePurge, done func(*wire.QueuePurgeOk, error)) error {
	return Call(ch, req, done)
}

// QueueDelete deletes a queue (section 1.7.2.9).
func (ch *Channel) QueueDelete(req *wire.QueueDelete, done func(*wire.QueueDeleteOk, error)) error {
	return Call(ch, req, done)
}

// Qos bounds the deliveries that may be unacknowledged at a time (section
// 1.8.3.1). https://www.rabbitmq.com/docs/consumer-prefetch
func (ch *Channel) Qos(req *wire.BasicQos, done func(*wire.BasicQosOk, error)) error {
	return Call(ch, req, done)
}

// Cancel ends a consumer (section 1.8.3.5). Deliveries that are on their way
// still reach it until done runs; with NoWait its tag stays taken for as long as
// some may come, until later requests have been answered.
func (ch *Channel) Cancel(req *wire.BasicCancel, done func(*wire.BasicCancelOk, error)) error {
	return Call(ch, req, done)
}

// Recover asks for all unacknowledged deliveries of the channel again (section
// 1.8.3.16).
func (ch *Channel) Recover(req *wire.BasicRecover, done func(*wire.BasicRecoverOk, error)) error {
	return Call(ch, req, done)
}

// ConfirmSelect makes the broker confirm each publish that follows; publishes
// are numbered from 1 (https://www.rabbitmq.com/docs/confirms). A second one
// changes nothing.
func (ch *Channel) ConfirmSelect(req *wire.ConfirmSelect, done func(*wire.ConfirmSelectOk, error)) error {
	return Call(ch, req, done)
}

// TxSelect makes publishes and acks take effect only at TxCommit (section
// 1.9.2.1).
func (ch *Channel) TxSelect(req *wire.TxSelect, done func(*wire.TxSelectOk, error)) error {
	return Call(ch, req, done)
}

// TxCommit makes the transaction's publishes and acks take effect (section
// 1.9.2.3).
func (ch *Channel) TxCommit(req *wire.TxCommit, done func(*wire.TxCommitOk, error)) error {
	return Call(ch, req, done)
}

// TxRollback undoes the transaction's publishes and acks (section 1.9.2.5).
func (ch *Channel) TxRollback(req *wire.TxRollback, done func(*wire.TxRollbackOk, error)) error {
	return Call(ch, req, done)
}

// Flow asks the broker to pause or resume deliveries on the channel (section
// 1.5.2.3). RabbitMQ refuses a pause with 540; use Qos.
func (ch *Channel) Flow(req *wire.ChannelFlow, done func(*wire.ChannelFlowOk, error)) error {
	return Call(ch, req, done)
}
