package broker

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/haypile/haypile/broker/internal/queue"
	"github.com/haypile/haypile/broker/internal/route"
	"github.com/haypile/haypile/core/wire"
)

// serverName makes a name that nobody else has.
func serverName(prefix string) string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return prefix + "-" + base64.RawURLEncoding.EncodeToString(b[:])
}

// stripped is a name without line breaks, which RabbitMQ drops.
func stripped(name string) string {
	if !strings.ContainsAny(name, "\r\n") {
		return name
	}
	return strings.NewReplacer("\r", "", "\n", "").Replace(name)
}

// reserved refuses to make what only the broker makes.
func reserved(kind, name string) *exception {
	if strings.HasPrefix(name, "amq.") {
		return raise(wire.AccessRefused, "%s name '%s' contains reserved prefix 'amq.*'", kind, name)
	}
	return nil
}

// named is the queue that a method is about: for an empty name, the one that was
// declared last on the channel.
func (ch *channel) named(name string) (string, *exception) {
	if name != "" {
		return name, nil
	}
	if ch.lastQueue == "" {
		return "", raise(wire.NotFound, "no previously declared queue")
	}
	return ch.lastQueue, nil
}

func (ch *channel) queueDeclare(m *wire.QueueDeclare) *exception {
	m.Queue = stripped(m.Queue)
	if strings.HasPrefix(m.Queue, replyToName) {
		return ch.declareReply(m)
	}
	q, x := ch.declaredQueue(m)
	if x != nil {
		return x
	}
	ch.lastQueue = q.name
	return ch.answer(m.NoWait, &wire.QueueDeclareOk{
		Queue: q.name, MessageCount: uint32(q.queue.Ready()), ConsumerCount: uint32(len(q.consumers)),
	})
}

// declaredQueue finds the queue of a declaration, or makes it.
func (ch *channel) declaredQueue(m *wire.QueueDeclare) (*mailbox, *exception) {
	s := ch.session
	if m.Passive {
		return s.vhost.queue(m.Queue, s)
	}
	if m.Queue == "" {
		if m.Arguments["x-queue-type"] == string(queue.Quorum) {
			return nil, raise(wire.PreconditionFailed, "Cannot declare a server-named queue for type rabbit_quorum_queue")
		}
		m.Queue = serverName("amq.gen")
	} else if x := reserved("queue", m.Queue); x != nil {
		return nil, x
	}
	m.Durable = m.Durable && !m.Exclusive
	if x := ch.may(mayConfigure, "queue", m.Queue); x != nil {
		return nil, x
	}
	if q := s.vhost.queues[m.Queue]; q != nil {
		return q, q.redeclare(m, s)
	}
	return ch.newQueue(m)
}

// errTransient is RabbitMQ's, which is longer than what fits a reply text.
var errTransient = raise(wire.InternalError, "Feature `transient_nonexcl_queues` is deprecated.\n"+
	"By default, this feature is not permitted anymore.\n"+
	"The feature will be removed from a future major RabbitMQ version, regardless of the configuration; actual version to be determined.\n"+
	"To continue using this feature when it is not permitted by default, set the following parameter in your configuration:\n")

func (ch *channel) newQueue(m *wire.QueueDeclare) (*mailbox, *exception) {
	s := ch.session
	cfg, err := queue.NewConfig(s.vhost.name, m)
	if err != nil {
		return nil, refusal(err)
	}
	if cfg.DeadLetter {
		if x := ch.may(mayRead, "queue", m.Queue); x != nil {
			return nil, x
		}
		if x := ch.may(mayWrite, "exchange", cfg.DeadLetterExchange); x != nil {
			return nil, x
		}
	}
	if !m.Durable && !m.Exclusive && !s.broker.traits.transient {
		return nil, errTransient
	}
	if x := s.broker.mayAddQueue(m.Queue); x != nil {
		return nil, x
	}
	var owner *session
	if m.Exclusive {
		owner = s
	}
	return s.vhost.newMailbox(cfg, owner), nil
}

// redeclare is nil if a queue that exists is what a declaration asks for.
func (q *mailbox) redeclare(m *wire.QueueDeclare, s *session) *exception {
	if m.Exclusive != (q.owner != nil) || q.owner != nil && q.owner != s {
		return q.locked()
	}
	cfg, err := queue.NewConfig(q.vhost.name, m)
	if err == nil {
		err = q.queue.Config().Equivalent(&cfg)
	}
	if err != nil {
		return refusal(err)
	}
	q.queue.Touch(q.vhost.broker.clock.now())
	q.stir()
	return nil
}

// routeRefusal is the exception of an error of package route.
func (v *vhost) routeRefusal(err error) *exception {
	var e *route.Error
	if errors.As(err, &e) {
		return &exception{e.Code, clip(e.Reply(v.name))}
	}
	return raise(wire.PreconditionFailed, "%s", err)
}

// refusal is the exception of an error of package queue.
func refusal(err error) *exception {
	var e *queue.ArgumentError
	if errors.As(err, &e) {
		return raise(e.Code, "%s", e.Text)
	}
	return raise(wire.PreconditionFailed, "%s", strings.TrimPrefix(err.Error(), "amqp: "))
}

func (ch *channel) queueDelete(m *wire.QueueDelete) *exception {
	name, x := ch.named(stripped(m.Queue))
	if x == nil {
		x = ch.may(mayConfigure, "queue", name)
	}
	if x != nil {
		return x
	}
	q := ch.session.vhost.queues[name]
	switch {
	case q == nil:
		return ch.answer(m.NoWait, &wire.QueueDeleteOk{})
	case q.owner != nil && q.owner != ch.session:
		return q.locked()
	case m.IfUnused && len(q.consumers) > 0:
		return raise(wire.PreconditionFailed, "%s in use", q.vhost.queueText(name))
	case m.IfEmpty && q.queue.Ready() > 0:
		return raise(wire.PreconditionFailed, "%s not empty", q.vhost.queueText(name))
	}
	ch.answer(m.NoWait, &wire.QueueDeleteOk{MessageCount: uint32(q.queue.Ready())})
	q.remove()
	return nil
}

func (ch *channel) queuePurge(m *wire.QueuePurge) *exception {
	q, x := ch.readable(m.Queue)
	if x != nil {
		return x
	}
	n := q.queue.Purge()
	q.stir()
	return ch.answer(m.NoWait, &wire.QueuePurgeOk{MessageCount: uint32(n)})
}
