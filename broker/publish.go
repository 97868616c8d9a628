package broker

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/haypile/haypile/broker/internal/erlang"
	"github.com/haypile/haypile/broker/internal/queue"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

func (ch *channel) publish(p *core.Published) *exception {
	s := ch.session
	b := s.broker
	if limit := b.settings.maxMessage; int64(len(p.Body)) > limit {
		return raise(wire.PreconditionFailed, "message size %d is larger than configured max size %d", len(p.Body), limit)
	}
	if x := b.memory.refuses(s); x != nil {
		return x
	}
	if x := ch.mayPublish(p.Exchange); x != nil {
		return x
	}
	m, keys, x := ch.message(p)
	if x != nil {
		return x
	}
	if ch.tx != nil {
		if x := ch.mayPostpone(m); x != nil {
			return x
		}
	}
	b.totals.Published++
	ch.totals.Published++
	if ch.tx != nil {
		ch.tx.postpone(b, pending{m, slices.Clone(keys), p.Mandatory})
		return nil
	}
	accepted := ch.deliver(m, keys, p.Mandatory)
	if p.Seq > 0 {
		ch.confirm(p.Seq, accepted)
	}
	return nil
}

// confirm tells what became of a publish.
func (ch *channel) confirm(seq uint64, ack bool) {
	if !ack {
		ch.push(output{kind: outNack, tag: seq})
		return
	}
	ch.totals.Confirmed++
	ch.session.broker.totals.Confirmed++
	ch.push(output{kind: outAck, tag: seq})
}

func (ch *channel) mayPublish(exchange string) *exception {
	v := ch.session.vhost
	if x := ch.may(mayWrite, "exchange", exchange); x != nil {
		return x
	}
	if exchange == "" {
		return nil
	}
	e, ok := v.router.Exchange(exchange)
	switch {
	case !ok:
		return v.noExchange(exchange)
	case e.Internal:
		return raise(wire.AccessRefused, "cannot publish to internal %s", v.exchangeText(exchange))
	}
	return nil
}

// deliver routes a message and puts it into queues. It is false when one of them
// refused it.
func (ch *channel) deliver(m *queue.Message, keys []string, mandatory bool) bool {
	b := ch.session.broker
	v := ch.session.vhost
	if m.Exchange == "" {
		b.deliverReplies(m, keys)
	}
	if n, accepted := b.put(v, m, keys); n > 0 {
		return accepted
	}
	if mandatory {
		ch.totals.Returned++
		b.totals.Returned++
		ch.push(output{kind: outReturn, message: m})
	} else {
		ch.totals.Unroutable++
		b.totals.Unroutable++
	}
	return true
}

// put routes a message and puts it into the queues that it reaches, of which there
// are n. accepted is false when one of them refused it.
func (b *Broker) put(v *vhost, m *queue.Message, keys []string) (n int, accepted bool) {
	targets := b.targets(v, m, keys)
	v.count(m.Exchange, len(targets))
	now := b.clock.now()
	accepted = true
	for _, q := range targets {
		accepted = q.accept(m, now) && accepted
	}
	b.release(targets)
	return len(targets), accepted
}

// targets are the queues that a message is routed to, until release.
func (b *Broker) targets(v *vhost, m *queue.Message, keys []string) []*mailbox {
	headers, _ := m.Properties.Headers()
	return v.router.Route(b.routed[:0], m.Exchange, keys, headers)
}

func (b *Broker) release(targets []*mailbox) {
	clear(targets)
	b.routed = targets[:0]
}

// message makes what a client published its own, with the keys that it is routed by.
// The keys are valid until the next message.
func (ch *channel) message(p *core.Published) (*queue.Message, []string, *exception) {
	b := ch.session.broker
	m := &queue.Message{Exchange: p.Exchange, RoutingKey: p.RoutingKey, TTL: queue.NoTTL}
	keys := append(b.keys[:0], p.RoutingKey)
	properties, changed, x := ch.examine(p.Properties, m, &keys)
	b.keys = keys[:0]
	if x != nil {
		return nil, nil, x
	}
	if changed {
		m.Properties, m.Body = properties, slices.Clone(p.Body)
		return m, keys, nil
	}
	buf := make([]byte, len(properties)+len(p.Body))
	n := copy(buf, properties)
	copy(buf[n:], p.Body)
	m.Properties, m.Body = buf[:n:n], buf[n:]
	return m, keys, nil
}

// examine looks at the properties that mean something to the broker. changed tells
// that they were made anew.
func (ch *channel) examine(raw wire.RawProperties, m *queue.Message, keys *[]string) (_ wire.RawProperties, changed bool, x *exception) {
	has := raw.Flags()
	if has&(wire.HasHeaders|wire.HasDeliveryMode|wire.HasPriority|wire.HasReplyTo|wire.HasExpiration|wire.HasUserID) == 0 {
		return raw, false, nil
	}
	if mode, ok := raw.DeliveryMode(); ok {
		m.Persistent = mode == wire.Persistent
		if mode != wire.Persistent && mode != wire.Transient && ch.session.broker.traits.checksMode {
			return nil, false, raise(wire.PreconditionFailed, "invalid message: {delivery_mode_unknown,%d}", mode)
		}
	}
	m.Priority, _ = raw.Priority()
	if has&wire.HasReplyTo != 0 {
		if raw, changed, x = ch.nameReply(raw); x != nil {
			return nil, false, x
		}
	}
	if text, ok := raw.Expiration(); ok {
		if m.TTL, x = parseExpiration(text); x != nil {
			return nil, false, x
		}
	}
	if user, ok := raw.UserID(); ok && user != ch.session.user.Name && !slices.Contains(ch.session.user.Tags, "impersonator") {
		return nil, false, raise(wire.PreconditionFailed, "user_id property set to '%s' but authenticated user was '%s'", user, ch.session.user.Name)
	}
	if has&wire.HasHeaders == 0 {
		return raw, changed, nil
	}
	return copyTo(raw, changed, keys)
}

// copyTo adds the keys of the headers CC and BCC, and takes BCC out
// (https://www.rabbitmq.com/docs/sender-selected).
func copyTo(raw wire.RawProperties, changed bool, keys *[]string) (wire.RawProperties, bool, *exception) {
	headers, _ := raw.Headers()
	bcc := false
	for _, name := range [...]string{"CC", "BCC"} {
		v, ok, err := headers.Lookup(name)
		if err != nil {
			return nil, false, raise(wire.SyntaxError, "%s", strings.TrimPrefix(err.Error(), "amqp: "))
		}
		if !ok {
			continue
		}
		list, isArray := v.([]any)
		if !isArray {
			return nil, false, raise(wire.PreconditionFailed, "invalid message: {unacceptable_type_in_header,%q,%s}", name, erlang.Type(v))
		}
		for _, key := range list {
			if text, ok := key.(string); ok {
				*keys = append(*keys, text)
			}
		}
		bcc = bcc || name == "BCC"
	}
	if !bcc {
		return raw, changed, nil
	}
	return rewrite(raw, func(p *wire.Properties) { delete(p.Headers, "BCC") })
}

// rewrite changes properties.
func rewrite(raw wire.RawProperties, change func(*wire.Properties)) (wire.RawProperties, bool, *exception) {
	p, err := raw.Decode()
	if err == nil {
		change(&p)
		raw, err = p.Encode()
	}
	if err != nil {
		return nil, false, raise(wire.SyntaxError, "%s", strings.TrimPrefix(err.Error(), "amqp: "))
	}
	return raw, true, nil
}

// maxExpiration is ten years, in milliseconds.
const maxExpiration = 10 * 365 * 24 * 60 * 60 * 1000

// parseExpiration reads the property expiration, with RabbitMQ's words for what is
// none.
func parseExpiration(text string) (time.Duration, *exception) {
	fault := ""
	digits := len(text) - len(strings.TrimLeft(strings.TrimLeft(text, "+-"), "0123456789"))
	n, err := strconv.ParseInt(text[:digits], 10, 64)
	switch {
	case err != nil:
		fault = "no_integer"
	case digits < len(text):
		fault = fmt.Sprintf("{leftover_string,%q}", text[digits:])
	case n < 0:
		fault = fmt.Sprintf("{value_negative,%d}", n)
	case n > maxExpiration:
		fault = fmt.Sprintf("{value_too_large,%d}", n)
	default:
		return time.Duration(n) * time.Millisecond, nil
	}
	return 0, raise(wire.PreconditionFailed, "invalid expiration '%s': %s", text, fault)
}
