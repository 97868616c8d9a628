package queue

import (
	"slices"
	"time"
)

// Subscribe adds a consumer; it is asked for readiness at the next Dispatch. The
// error is ErrExclusive. With x-single-active-consumer the first one becomes the
// active one, and none can be exclusive.
func (q *Queue) Subscribe(c *Consumer, now time.Time) error {
	switch {
	case q.cfg.SingleActiveConsumer && c.Exclusive,
		!q.cfg.SingleActiveConsumer && q.active != nil,
		c.Exclusive && len(q.consumers) > 0:
		return ErrExclusive
	}
	q.consumers = append(q.consumers, c)
	c.queue = q
	if q.active == nil && (q.cfg.SingleActiveConsumer || c.Exclusive) {
		q.active = c
	}
	q.Wake(c)
	q.Touch(now)
	return nil
}

// Unsubscribe removes a consumer; what it was given stays out. unused reports that
// the queue is to be deleted: it is an auto-delete one and this was the last
// consumer. If it was the single active one, the oldest of those with the highest
// priority follows.
func (q *Queue) Unsubscribe(c *Consumer, now time.Time) (unused bool) {
	if c.queue != q {
		return false
	}
	q.waiting.remove(c)
	c.queue = nil
	i := slices.Index(q.consumers, c)
	q.consumers = slices.Delete(q.consumers, i, i+1)
	if q.active == c {
		q.active = nil
		if q.cfg.SingleActiveConsumer {
			q.activate()
		}
	}
	q.Touch(now)
	return q.cfg.AutoDelete && len(q.consumers) == 0
}

// activate makes the next consumer the single active one.
func (q *Queue) activate() {
	for _, c := range q.consumers {
		if q.active == nil || c.Priority > q.active.Priority {
			q.active = c
		}
	}
	if q.active != nil {
		q.Wake(q.active)
	}
}

// Wake has the consumer asked for readiness again, at the next Dispatch or Publish,
// after the others of its priority. It is harmless for one that is not subscribed,
// or was not found unready.
func (q *Queue) Wake(c *Consumer) {
	if c.queue != q || c.waiting || q.cfg.SingleActiveConsumer && c != q.active {
		return
	}
	q.waiting.add(c)
}
