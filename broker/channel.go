package broker

import (
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// channel is a client's channel: core's handler on the loop, and a part of the
// state under Broker.mu.
type channel struct {
	session *session
	core    *core.Channel
	number  uint16

	// Under Broker.mu.
	gone       bool // has failed or ended: nothing more is done for it
	lastQueue  string
	consumers  map[string]*consumer
	reply      *replyTo
	unacked    unacked
	nextTag    uint64
	prefetch   uint16      // of consumers to come
	limit      uint16      // of all consumers, 0 for none
	held       int         // unacked deliveries of all consumers
	refused    []*consumer // that wait for the limit
	confirming bool
	tx         *transaction
	timeout    alarm
	delayed    []parcel // by rules of On, and what came behind
	delay      alarm    // for the first of them
	totals     Totals
}

// OnMethod implements core.ServerChannelHandler.
func (ch *channel) OnMethod(_ *core.Channel, m wire.Method) {
	b, a := ch.session.broker, ch.judge(m, nil)
	b.mu.Lock()
	ch.receive(m, nil, a)
	b.finish(ch.session)
}

// OnPublish implements core.ServerChannelHandler.
func (ch *channel) OnPublish(_ *core.Channel, p *core.Published) {
	b, a := ch.session.broker, ch.judge(nil, p)
	b.mu.Lock()
	ch.receive(nil, p, a)
	b.finish(ch.session)
}

// OnClose implements core.ServerChannelHandler.
func (ch *channel) OnClose(*core.Channel, error) {
	b := ch.session.broker
	b.mu.Lock()
	b.channels--
	ch.leave()
	b.finish(ch.session)
}

// dispatch acts on what a client sent: a method, or a message, which is a
// basic.publish. It is the one way into the state for all that clients do.
func (ch *channel) dispatch(m wire.Method, p *core.Published) {
	if ch.gone || ch.session.gone {
		return
	}
	var x *exception
	about := wire.BasicPublishID
	if p != nil {
		x = ch.publish(p)
	} else {
		about = m.ID()
		x = ch.act(m)
	}
	if x != nil {
		ch.fail(x, about)
	}
}

// act acts on a method other than basic.publish.
func (ch *channel) act(m wire.Method) *exception {
	switch m := m.(type) {
	case *wire.BasicAck:
		return ch.settle(m.DeliveryTag, m.Multiple, settleAck)
	case *wire.BasicNack:
		return ch.settle(m.DeliveryTag, m.Multiple, howRejected(m.Requeue))
	case *wire.BasicReject:
		return ch.settle(m.DeliveryTag, false, howRejected(m.Requeue))
	case *wire.BasicGet:
		return ch.get(m)
	case *wire.BasicConsume:
		return ch.consume(m)
	case *wire.BasicCancel:
		return ch.cancel(m)
	case *wire.BasicQos:
		return ch.qos(m)
	case *wire.BasicRecover:
		return ch.recover(m.Requeue, true)
	case *wire.BasicRecoverAsync:
		return ch.recover(m.Requeue, false)
	case *wire.ConfirmSelect:
		return ch.confirmSelect(m)
	case *wire.TxSelect:
		return ch.txSelect()
	case *wire.TxCommit:
		return ch.txCommit()
	case *wire.TxRollback:
		return ch.txRollback()
	case *wire.ChannelFlow:
		return ch.flow(m)
	case *wire.AccessRequest:
		ch.send(&wire.AccessRequestOk{Ticket: 1})
		return nil
	}
	return ch.define(m)
}

// define acts on methods that are about exchanges, queues and bindings.
func (ch *channel) define(m wire.Method) *exception {
	switch m := m.(type) {
	case *wire.QueueDeclare:
		return ch.queueDeclare(m)
	case *wire.QueueDelete:
		return ch.queueDelete(m)
	case *wire.QueuePurge:
		return ch.queuePurge(m)
	case *wire.QueueBind:
		return ch.queueBind(m)
	case *wire.QueueUnbind:
		return ch.queueUnbind(m)
	case *wire.ExchangeDeclare:
		return ch.exchangeDeclare(m)
	case *wire.ExchangeDelete:
		return ch.exchangeDelete(m)
	case *wire.ExchangeBind:
		return ch.exchangeBind(m)
	case *wire.ExchangeUnbind:
		return ch.exchangeUnbind(m)
	case *wire.ChannelFlowOk:
		return nil
	}
	return raise(wire.CommandInvalid, "unimplemented method")
}

// send sends a method.
func (ch *channel) send(m wire.Method) { ch.push(output{kind: outMethod, method: m}) }

// answer sends the reply to a request unless the client wants none.
func (ch *channel) answer(noWait bool, m wire.Method) *exception {
	if !noWait {
		ch.send(m)
	}
	return nil
}

func (ch *channel) push(o output) {
	if ch.gone {
		return
	}
	o.channel = ch
	if !ch.session.broker.holding.keeps(o) {
		ch.session.push(o)
	}
}

// fail ends the channel, or the connection for codes that are hard.
func (ch *channel) fail(x *exception, about wire.MethodID) {
	ch.session.broker.settings.logger.Warn("exception", "connection", ch.session.name, "channel", ch.number, "text", x.text, "method", about)
	if x.code.Hard() {
		ch.session.fail(x, about)
		return
	}
	ch.push(output{kind: outFail, code: x.code, text: x.text, about: about})
	ch.leave()
}

// leave gives back what the channel holds. Its consumers go before its messages
// come back to the queues, so that they get none of them.
func (ch *channel) leave() {
	if ch.gone {
		return
	}
	ch.gone = true
	s := ch.session
	if s.channels[ch.number] == ch {
		delete(s.channels, ch.number)
	}
	s.broker.clock.set(&ch.timeout, never)
	s.broker.clock.set(&ch.delay, never)
	ch.delayed = nil
	ch.dropReply()
	for _, c := range ch.sortedConsumers() {
		c.unsubscribe()
	}
	if ch.tx != nil {
		ch.undoTx()
	}
	ch.requeueAll()
}

func (ch *channel) flow(m *wire.ChannelFlow) *exception {
	if !m.Active {
		return raise(wire.NotImplemented, "active=false")
	}
	ch.send(&wire.ChannelFlowOk{Active: true})
	return nil
}

func (ch *channel) confirmSelect(m *wire.ConfirmSelect) *exception {
	if ch.tx != nil {
		return raise(wire.PreconditionFailed, "cannot switch from tx to confirm mode")
	}
	ch.confirming = true
	return ch.answer(m.NoWait, &wire.ConfirmSelectOk{})
}

// may is nil if the user has a permission on a queue or an exchange.
func (ch *channel) may(p permission, kind, name string) *exception {
	s := ch.session
	if kind == "exchange" && name == "" {
		name = "amq.default"
	}
	if s.user.may(s.vhost.name, p, name) {
		return nil
	}
	verb := ""
	if s.broker.traits.verboseAccess {
		verb = p.String() + " "
	}
	return raise(wire.AccessRefused, "%saccess to %s refused for user '%s'", verb, describe(kind, name, s.vhost.name), s.user.Name)
}
