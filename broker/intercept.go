package broker

import (
	"errors"
	"fmt"
	"time"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// parcel is a method or a message on its way into the state, with what becomes of
// it.
type parcel struct {
	method  wire.Method     // other than basic.publish
	message *core.Published // of a basic.publish
	action  Action
	due     time.Time // by the broker's clock; zero for as soon as what came before
}

// id is the kind of method.
func (p *parcel) id() wire.MethodID {
	if p.message != nil {
		return wire.BasicPublishID
	}
	return p.method.ID()
}

// keep makes the parcel outlast the callback that brought it.
func (p *parcel) keep() error {
	if p.message != nil {
		p.message = p.message.Clone()
		return nil
	}
	payload, err := p.method.AppendTo(nil)
	if err == nil {
		p.method, err = wire.Decode(payload)
	}
	return err
}

// judge asks the rules about what a client sent. It is called without Broker.mu.
func (ch *channel) judge(m wire.Method, p *core.Published) Action {
	b := ch.session.broker
	if b.faults.active.Load() == 0 {
		return Action{}
	}
	in := ch.session.incoming(m)
	in.Channel = ch.number
	if p != nil {
		in.Method = &wire.BasicPublish{Exchange: p.Exchange, RoutingKey: p.RoutingKey, Mandatory: p.Mandatory}
		in.Message = p
	}
	return b.faults.decide(in)
}

func (s *session) incoming(m wire.Method) *Incoming {
	in := &Incoming{Connection: s.name, ProvidedName: s.providedName(), Method: m}
	if s.user != nil {
		in.User = s.user.Name
	}
	if s.vhost != nil {
		in.VirtualHost = s.vhost.name
	}
	return in
}

// receive takes what a client sent: it is dispatched, unless a rule wants something
// else or something on the channel is delayed. It is under Broker.mu.
func (ch *channel) receive(m wire.Method, p *core.Published, a Action) {
	if a == (Action{}) && len(ch.delayed) == 0 {
		ch.dispatch(m, p)
		return
	}
	in := parcel{method: m, message: p, action: a}
	if a.after > 0 || len(ch.delayed) > 0 {
		ch.postpone(&in)
		return
	}
	ch.enact(&in)
}

// postpone has a parcel wait for its time and its turn.
func (ch *channel) postpone(in *parcel) {
	if ch.gone || ch.session.gone {
		return
	}
	if err := in.keep(); err != nil { // it was decoded, so it can be encoded
		ch.session.broker.settings.logger.Error("a delayed method is lost", "method", in.id(), "error", err)
		return
	}
	c := &ch.session.broker.clock
	if in.action.after > 0 {
		in.due = c.now().Add(in.action.after)
	}
	if ch.delayed = append(ch.delayed, *in); len(ch.delayed) == 1 {
		ch.delay.ring = ch.resume
		c.set(&ch.delay, in.due)
	}
}

// resume acts on what has waited long enough.
func (ch *channel) resume(now time.Time) {
	for len(ch.delayed) > 0 && !ch.delayed[0].due.After(now) {
		in := ch.delayed[0]
		ch.delayed = ch.delayed[1:]
		ch.enact(&in)
	}
	switch {
	case ch.gone || ch.session.gone || len(ch.delayed) == 0:
		ch.delayed = nil
	default:
		ch.session.broker.clock.set(&ch.delay, ch.delayed[0].due)
	}
}

// enact does what was decided about a parcel.
func (ch *channel) enact(in *parcel) {
	s := ch.session
	if ch.gone || s.gone {
		return
	}
	x := &exception{in.action.code, in.action.text}
	switch in.action.do {
	case deedPass:
		ch.dispatch(in.method, in.message)
	case deedReply:
		if in.action.reply != nil {
			ch.push(output{kind: outRule, method: in.action.reply})
		}
	case deedCloseChannel:
		ch.fail(x, in.id())
	case deedCloseConnection:
		s.fail(x, in.id())
	case deedCut:
		s.cut()
	case deedNack:
		ch.refuseMessage(in.message)
	case deedWithhold:
		ch.withhold(in.message)
	case deedReturn:
		ch.returnMessage(in.message)
	}
}

// cut drops the connection.
func (s *session) cut() { s.last(output{kind: outAbort}) }

// admits asks the rules about connection.open. It is false when they have decided
// against it.
func (s *session) admits(c *core.Conn, virtualHost string) bool {
	b := s.broker
	if b.faults.active.Load() == 0 {
		return true
	}
	switch a := b.faults.decide(s.incoming(&wire.ConnectionOpen{VirtualHost: virtualHost})); a.do {
	case deedCloseChannel, deedCloseConnection:
		_ = c.Refuse(a.code, a.text) // asked by core just now
		return false
	case deedCut:
		s.conn.Abort()
		return false
	case deedDrop:
		return false
	default:
		if a.after > 0 {
			s.openLater(virtualHost, a.after)
			return false
		}
	}
	return true
}

// openLater answers connection.open after some time by the broker's clock.
func (s *session) openLater(virtualHost string, after time.Duration) {
	b := s.broker
	s.delay.ring = func(time.Time) {
		_ = s.conn.AddCallbackThreadsafe(func(c *core.Conn) { s.open(c, virtualHost) }) // unless it has ended
	}
	b.mu.Lock()
	b.clock.set(&s.delay, b.clock.now().Add(after))
	b.finish(nil)
}

// refuseMessage nacks a message.
func (ch *channel) refuseMessage(p *core.Published) {
	if p.Seq > 0 {
		ch.confirm(p.Seq, false)
	}
}

// withhold takes a message without a confirm.
func (ch *channel) withhold(p *core.Published) {
	quiet := *p
	quiet.Seq = 0
	ch.dispatch(nil, &quiet)
}

// returnMessage gives a message back as unroutable.
func (ch *channel) returnMessage(p *core.Published) {
	m, _, x := ch.message(p)
	if x != nil {
		ch.fail(x, wire.BasicPublishID)
		return
	}
	ch.push(output{kind: outReturn, message: m})
	if p.Seq > 0 {
		ch.confirm(p.Seq, true)
	}
}

// sendRule sends the answer of a rule, which only core can tell to be one.
func (s *session) sendRule(o *output) error {
	err := o.channel.core.Send(o.method)
	var wrong *core.ConfigError
	var long *wire.EncodeError
	if errors.As(err, &wrong) || errors.As(err, &long) {
		s.broker.settings.misuse(fmt.Errorf("amqp: broker: the reply of a rule cannot be sent: %w", err))
	}
	return err
}
