// Package queue is one queue of the broker as a value: messages in order, the
// consumers that take them, limits and times to live. It follows what RabbitMQ's
// classic queues do, and quorum queues where clients can tell the difference.
//
//	cfg, err := queue.NewConfig("/", declare) // an *ArgumentError has RabbitMQ's text
//	...
//	q := queue.New(cfg, hooks, now)
//	if err := q.Subscribe(consumer, now); err != nil {
//		return err // ErrExclusive
//	}
//	q.Dispatch(now)
//	if !q.Publish(message, now) {
//		// refused by x-overflow: a nack for the publisher
//	}
//	...
//	q.Done(entry)     // acked
//	q.Return(entries, now) // requeued, in their old places
//	q.Dispatch(now)
//
// The rules:
//
//   - A Queue is for one goroutine at a time, has no goroutine, lock or clock of
//     its own, and every instant is an argument that never goes back.
//   - Publish delivers by itself, when a consumer is ready. After all else that
//     may set messages or consumers free (Subscribe, Unsubscribe, Wake, Return),
//     the owner calls Dispatch, once for many such calls, so that the messages of
//     a channel that closes are all back before any is delivered again.
//   - Hooks run inside the queue's methods, with the queue in a state in which any
//     method may be called again: a dead letter may be routed to the very queue
//     that it comes from. A Receiver must not call the queue.
//   - An Entry belongs to the queue, which uses its memory again. Whoever was given
//     one, by Deliver or Get, hands it back exactly once, to Done, Reject or Return,
//     and does not look at it afterwards. What must be kept is its Message.
//
// The cost of a message does not depend on how many are in the queue, nor on how
// many consumers there are that cannot take any: a consumer whose Receiver was not
// ready is not asked again until Wake. Returning a message takes time in proportion
// to the logarithm of how many returned ones are ready.
package queue
