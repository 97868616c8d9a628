package queue

import (
	"cmp"
	"errors"
	"slices"

	"github.com/haypile/haypile/core/wire"
)

// ErrExclusive is the error of Subscribe when an exclusive consumer is in the way,
// or the new one cannot be exclusive. RabbitMQ answers 403 "queue 'q' in vhost '/'
// in exclusive use".
var ErrExclusive = errors.New("amqp: the queue is in exclusive use")

// Receiver takes the messages of consumers; a channel is one. Its methods must not
// call the queue.
type Receiver interface {
	// Ready tells whether c can take one more message: prefetch, flow and output
	// have room. After false it is not asked again until Queue.Wake.
	Ready(c *Consumer) bool
	// Deliver hands over a message, right after Ready was true. For a consumer with
	// NoAck, e must not be kept, nor handed back.
	Deliver(c *Consumer, q *Queue, e *Entry)
}

// Consumer is one subscription. Its fields must not be changed while it is
// subscribed, to one queue at a time.
type Consumer struct {
	Tag       string
	Priority  int // x-priority; the higher is served first
	NoAck     bool
	Exclusive bool
	Arguments wire.Table
	Receiver  Receiver

	queue   *Queue // that it is subscribed to
	waiting bool   // in the ring of its level
	next    *Consumer
	prev    *Consumer
}

// level is a ring of the waiting consumers of one priority, in the order in which
// they are served.
type level struct {
	priority int
	first    *Consumer
}

// waitingList holds the consumers that may be ready, by ascending priority. There
// is no level without a consumer.
type waitingList []level

// add puts c behind the others of its priority.
func (w *waitingList) add(c *Consumer) {
	c.waiting = true
	i, found := slices.BinarySearchFunc(*w, c.Priority, func(l level, p int) int { return cmp.Compare(l.priority, p) })
	if !found {
		c.next, c.prev = c, c
		*w = slices.Insert(*w, i, level{c.Priority, c})
		return
	}
	first := (*w)[i].first
	c.next, c.prev = first, first.prev
	c.prev.next, first.prev = c, c
}

// remove takes c out, if it is there.
func (w *waitingList) remove(c *Consumer) {
	if !c.waiting {
		return
	}
	i, _ := slices.BinarySearchFunc(*w, c.Priority, func(l level, p int) int { return cmp.Compare(l.priority, p) })
	if c.next == c {
		*w = slices.Delete(*w, i, i+1)
	} else {
		c.prev.next, c.next.prev = c.next, c.prev
		if (*w)[i].first == c {
			(*w)[i].first = c.next
		}
	}
	c.waiting, c.next, c.prev = false, nil, nil
}

// take returns the next consumer that is ready, and puts it behind the others of
// its priority. Those that are not ready leave the list.
func (w *waitingList) take() *Consumer {
	for len(*w) > 0 {
		top := &(*w)[len(*w)-1]
		c := top.first
		if c.Receiver.Ready(c) {
			top.first = c.next
			return c
		}
		w.remove(c)
	}
	return nil
}
