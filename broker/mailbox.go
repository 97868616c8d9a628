package broker

import (
	"time"

	"github.com/haypile/haypile/broker/internal/queue"
	"github.com/haypile/haypile/core/wire"
)

// mailbox is a queue with its place in the broker. It is under Broker.mu.
type mailbox struct {
	vhost     *vhost
	queue     *queue.Queue
	name      string
	owner     *session // of an exclusive queue
	deadline  alarm    // of the queue's times to live
	stirred   bool     // listed among those that may be able to deliver
	removed   bool
	consumers map[*queue.Consumer]*consumer
	idleSince time.Time
	totals    Totals

	cost         int64 // of the definition
	unackedBytes int64
	persistent   int
}

var never time.Time

func (v *vhost) newMailbox(cfg queue.Config, owner *session) *mailbox {
	b := v.broker
	now := b.clock.now()
	q := &mailbox{vhost: v, name: cfg.Name, owner: owner, idleSince: now, cost: queueCost + argumentsCost(cfg.Arguments)}
	b.defined += q.cost
	q.queue = queue.New(cfg, q, now)
	q.deadline.ring = q.expire
	v.queues[q.name] = q
	v.router.AddQueue(q.name, q)
	if owner != nil {
		owner.own(q)
	}
	q.stir()
	return q
}

func (s *session) own(q *mailbox) {
	if s.exclusive == nil {
		s.exclusive = make(map[*mailbox]struct{})
	}
	s.exclusive[q] = struct{}{}
}

// stir has the queue deliver what it can, and its deadline set, at the end of the
// event.
func (q *mailbox) stir() {
	if !q.stirred && !q.removed {
		q.stirred = true
		q.vhost.broker.stirred = append(q.vhost.broker.stirred, q)
	}
}

// rest is what stir asks for.
func (q *mailbox) rest() {
	if q.removed {
		return
	}
	c := &q.vhost.broker.clock
	if q.queue.Ready() > 0 {
		q.queue.Dispatch(c.now())
	}
	c.set(&q.deadline, q.queue.NextDeadline())
}

// expire is the alarm of a message or of the queue.
func (q *mailbox) expire(now time.Time) {
	if q.queue.Expire(now) {
		q.remove()
		return
	}
	q.stir()
}

// DeadLetter implements queue.Hooks. The message moves on when the queue is done.
func (q *mailbox) DeadLetter(_ *queue.Queue, m *queue.Message, why queue.Reason) {
	b := q.vhost.broker
	b.dead = append(b.dead, death{q, m, why})
}

// Gone implements queue.Hooks.
func (q *mailbox) Gone(_ *queue.Queue, m *queue.Message) { q.account(m, -1) }

// account counts a message that the queue holds, or held.
func (q *mailbox) account(m *queue.Message, n int) {
	q.vhost.broker.memory.used += int64(n) * cost(m)
	if m.Persistent {
		q.persistent += n
	}
}

// accept puts a message into the queue; false when the queue refuses it.
func (q *mailbox) accept(m *queue.Message, now time.Time) bool {
	q.account(m, 1)
	q.totals.Published++
	ok := q.queue.Publish(m, now)
	if !ok {
		q.account(m, -1)
	}
	q.stir()
	return ok
}

// remove deletes the queue; its consumers are told. It returns how many messages
// were ready.
func (q *mailbox) remove() int {
	v := q.vhost
	if q.removed {
		return 0
	}
	q.removed = true
	delete(v.queues, q.name)
	v.forget(v.router.RemoveQueue(q.name))
	v.broker.defined -= q.cost
	v.broker.clock.set(&q.deadline, never)
	if q.owner != nil {
		delete(q.owner.exclusive, q)
	}
	for _, c := range q.queue.Consumers() {
		q.consumers[c].cancelled()
	}
	return q.queue.Delete()
}

// locked is what others hear of an exclusive queue.
func (q *mailbox) locked() *exception {
	return raise(wire.ResourceLocked, "cannot obtain exclusive access to locked %s. It could be originally declared on another connection or the exclusive property value does not match that of the original declaration.", q.vhost.queueText(q.name))
}
