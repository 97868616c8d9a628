package queue

import (
	"iter"
	"math"
	"slices"
	"time"
)

// never is the instant of what does not expire.
const never = math.MaxInt64

// Queue is one queue. Make one with New; see the package for the rules.
type Queue struct {
	cfg   Config
	hooks Hooks
	start time.Time // instants are nanoseconds since then

	lanes     []lane // by priority
	nonEmpty  laneSet
	ready     int
	bytes     int64 // of the bodies that are ready
	unacked   int
	place     int64 // of the newest message
	returned  int64 // of the newest returned one of a quorum queue
	pool      pool
	consumers []*Consumer // by age
	waiting   waitingList // those that may be ready; with a single active consumer only that one
	active    *Consumer   // with a single active consumer, or an exclusive one
	unusedAt  int64       // when x-expires runs out
	deleted   bool
}

// New is an empty queue that is unused from now on.
func New(cfg Config, hooks Hooks, now time.Time) *Queue {
	q := &Queue{
		cfg: cfg, hooks: hooks, start: now,
		lanes:    make([]lane, 1+int(cfg.MaxPriority)),
		returned: returnedFirst,
	}
	q.Touch(now)
	return q
}

// Config is what the queue was declared with. It must not be changed.
func (q *Queue) Config() *Config { return &q.cfg }

// Ready is how many messages wait for a consumer.
func (q *Queue) Ready() int { return q.ready }

// ReadyBytes is how long their bodies are in all.
func (q *Queue) ReadyBytes() int64 { return q.bytes }

// Unacked is how many messages are out and neither acknowledged nor returned.
func (q *Queue) Unacked() int { return q.unacked }

// Messages are the ready ones, in the order in which they would be delivered. The
// queue must not be used while they are gone through.
func (q *Queue) Messages() iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		for i := len(q.lanes) - 1; i >= 0; i-- {
			for e := range q.lanes[i].all() {
				if !yield(e) {
					return
				}
			}
		}
	}
}

func (q *Queue) instant(now time.Time) int64 { return int64(now.Sub(q.start)) }

// Publish adds a message, or hands it to a consumer at once. It returns false when
// the queue refuses the message, being full: the publisher gets a nack, if it asked
// for confirms, and the message may have been dead-lettered.
func (q *Queue) Publish(m *Message, now time.Time) (accepted bool) {
	if q.refuses(m) {
		if q.cfg.Overflow == RejectPublishDLX {
			q.deadLetter(m, MaxLength)
		}
		return false
	}
	at := q.instant(now)
	q.dropExpired(at)
	e := q.entry(m, at)
	if q.ready == 0 {
		if c := q.waiting.take(); c != nil {
			q.deliver(c, e)
			return true
		}
	}
	l := &q.lanes[e.lane]
	l.append(e)
	q.added(e)
	q.dropOverflow()
	q.dropExpired(at)
	return true
}

// Restore takes a message over from a queue that a restart has ended, into the last
// place: it remembers that it was delivered, and how long it has to live.
func (q *Queue) Restore(from *Queue, old *Entry) {
	e := q.entry(old.Message, 0)
	e.DeliveryCount, e.Redelivered, e.expires = old.DeliveryCount, old.Redelivered, old.expires
	if old.expires != never {
		e.expires += int64(from.start.Sub(q.start))
	}
	q.lanes[e.lane].append(e)
	q.added(e)
}

// entry is a new one, in the last place.
func (q *Queue) entry(m *Message, at int64) *Entry {
	e := q.pool.take()
	q.place++
	e.Message, e.place, e.expires = m, q.place, never
	e.lane = min(m.Priority, q.cfg.MaxPriority)
	if m.TTL >= 0 {
		e.expires = at + int64(m.TTL)
	}
	if q.cfg.MessageTTL >= 0 {
		e.expires = min(e.expires, at+int64(q.cfg.MessageTTL))
	}
	return e
}

// Get takes the first message out, as basic.get does, nil if there is none, and
// counts as a use of the queue.
func (q *Queue) Get(now time.Time) *Entry {
	q.Touch(now)
	q.dropExpired(q.instant(now))
	if q.ready == 0 {
		return nil
	}
	q.unacked++
	return q.pop()
}

// Dispatch delivers messages until none is left or no consumer is ready: to the
// consumers of the highest priority, to each of them in turn.
func (q *Queue) Dispatch(now time.Time) {
	at := q.instant(now)
	for {
		q.dropExpired(at)
		if q.ready == 0 {
			return
		}
		c := q.waiting.take()
		if c == nil {
			return
		}
		q.deliver(c, q.pop())
	}
}

func (q *Queue) deliver(c *Consumer, e *Entry) {
	if !c.NoAck {
		q.unacked++
		c.Receiver.Deliver(c, q, e)
		return
	}
	c.Receiver.Deliver(c, q, e)
	q.release(e)
}

// Done ends a message that was delivered: it is acknowledged.
func (q *Queue) Done(e *Entry) {
	q.unacked--
	q.release(e)
}

// Reject ends a message that was delivered and is not to be delivered again: it is
// dead-lettered, or dropped.
func (q *Queue) Reject(e *Entry) {
	q.unacked--
	q.drop(e, Rejected)
}

// Return puts messages that were delivered back, in the places that they had, and
// marks them as redelivered. In a quorum queue they go to the back, or, if it has a
// delivery limit, behind others that were returned and in front of all that were
// never out. Those over the limit, and what overflows, is dropped or dead-lettered.
// The slice stays the caller's.
func (q *Queue) Return(entries []*Entry, now time.Time) {
	for _, e := range entries {
		q.unacked--
		q.putBack(e)
	}
	q.dropOverflow()
	q.dropExpired(q.instant(now))
}

func (q *Queue) putBack(e *Entry) {
	if q.deleted {
		q.release(e)
		return
	}
	e.Redelivered = true
	e.DeliveryCount++
	if q.cfg.Type == Quorum {
		if q.limited() && int64(e.DeliveryCount) > q.cfg.DeliveryLimit {
			q.drop(e, DeliveryLimit)
			return
		}
		e.place = q.returnPlace()
	}
	q.lanes[e.lane].restore(e)
	q.added(e)
}

func (q *Queue) limited() bool { return q.cfg.DeliveryLimit >= 0 }

// returnPlace is where a message that comes back to a quorum queue stands.
func (q *Queue) returnPlace() int64 {
	if q.limited() {
		q.returned++
		return q.returned
	}
	q.place++
	return q.place
}

// Purge drops all messages that are ready and returns how many they were. None is
// dead-lettered.
func (q *Queue) Purge() int {
	n := q.ready
	for range n {
		q.release(q.pop())
	}
	return n
}

// Delete is Purge and the end of all subscriptions. The queue is not to be used
// again, but for Done, Reject and Return of what is still out, which then all mean
// Done.
func (q *Queue) Delete() int {
	for _, c := range q.consumers {
		q.waiting.remove(c)
		c.queue = nil
	}
	q.consumers, q.active, q.deleted, q.unusedAt = nil, nil, true, never
	return q.Purge()
}

// Touch starts the time of x-expires again, as declaring an existing queue does. It
// has no effect while there are consumers.
func (q *Queue) Touch(now time.Time) {
	q.unusedAt = never
	if q.cfg.Expires >= 0 && len(q.consumers) == 0 {
		q.unusedAt = q.instant(now) + int64(q.cfg.Expires)
	}
}

// Expire drops the messages at the head whose time is over. unused reports that the
// time of the queue itself is: it has to be deleted.
func (q *Queue) Expire(now time.Time) (unused bool) {
	at := q.instant(now)
	q.dropExpired(at)
	return at >= q.unusedAt
}

// NextDeadline is when Expire has something to do; zero: never. It may be earlier
// after any call.
func (q *Queue) NextDeadline() time.Time {
	at := q.unusedAt
	if q.ready > 0 {
		at = min(at, q.head().expires)
	}
	if at == never {
		return time.Time{}
	}
	return q.start.Add(time.Duration(at))
}

// Consumers are those subscribed, oldest first.
func (q *Queue) Consumers() []*Consumer { return slices.Clone(q.consumers) }

// Active is the consumer that alone gets messages: the single active one or the
// exclusive one; nil if there is none.
func (q *Queue) Active() *Consumer { return q.active }
