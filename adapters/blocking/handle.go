package blocking

import (
	"context"
	"errors"
	"log"
	"runtime/debug"
	"sync"
)

// Handle describes what Channel.Handle does.
type Handle struct {
	Consume // whose Inactivity does not matter

	// Workers is how many messages are worked on at a time. 0 means 1. Prefetch
	// bounds that as well; its default allows for twice as many, at least 128.
	Workers int
	// Key, if set, keeps order: messages of the same key are worked on one after
	// the other, as they came, while others go on. It runs in the goroutine that
	// called Handle; a panic of it fails the message.
	Key func(*Delivery) string
	// Requeue decides what becomes of a message whose handler returned an error or
	// panicked (a *PanicError): true has the broker deliver it again, false
	// dead-letters or drops it. nil means again the first time, which is
	// !d.Redelivered. It runs in the worker's goroutine.
	Requeue func(d *Delivery, err error) bool
}

// HandlerFailed: a handler of Channel.Handle or Serve returned an error, or
// panicked (a *PanicError). The connection goes on, and so does the worker.
type HandlerFailed struct {
	Delivery *Delivery // which has been settled
	Err      error
	Requeued bool
}

func (HandlerFailed) event() {}

// String tells what became of the message, but for what the handler did itself.
func (e HandlerFailed) String() string {
	if e.Requeued {
		return sentence("handler failed, and the message is delivered again", e.Err)
	}
	return sentence("handler failed, and the message is dropped or dead-lettered", e.Err)
}

// maxQueued is how many messages may wait for others of their keys before no more
// are taken from the consumer.
const maxQueued = looseInbox

// Handle has fn work on the messages of a queue until ctx ends or the consumer
// does; then it cancels the consumer, waits for the calls of fn that are under way,
// and returns why. fn is called by up to Workers goroutines at a time.
//
// A message is acknowledged when fn returns nil, and nacked as Handle.Requeue
// decides when it returns an error, panics or ends its goroutine, which the
// connection's events tell (HandlerFailed; where nobody listens to them, package log
// prints a panic). fn may also settle the message by itself. The context of fn ends with ctx, and when the
// channel has ended for good; what fails after that goes back to the queue.
func (ch *Channel) Handle(ctx context.Context, opts *Handle, fn func(ctx context.Context, d *Delivery) error) error {
	return ch.handle(ctx, opts, fn, nil)
}

// handle is Handle, with givenUp called of a message that failed for good, before it
// is refused.
func (ch *Channel) handle(ctx context.Context, opts *Handle, fn func(context.Context, *Delivery) error, givenUp func(context.Context, *Delivery, error)) error {
	consume, err := opts.check(fn != nil)
	if err != nil {
		return err
	}
	k, err := ch.startConsumer(ctx, consume)
	if err != nil {
		return err
	}
	work, cancel := context.WithCancelCause(ctx)
	h := &handling{
		ctx: work, conn: ch.conn, opts: opts, fn: fn, givenUp: givenUp, bodies: k.bodies,
		jobs: make(chan job), queued: make(chan struct{}, maxQueued), keys: map[string][]*Delivery{},
	}
	for range max(opts.Workers, 1) {
		h.workers.Go(func() { h.work(job{}) })
	}
	go func() {
		select {
		case <-ch.done:
			cancel(because(ErrClosed, ch.Err()))
		case <-work.Done():
		}
	}()
	if err = h.feed(k); ctx.Err() == nil && work.Err() != nil {
		err = context.Cause(work)
	}
	k.leave(ctx)
	close(h.jobs)
	h.workers.Wait()
	cancel(nil)
	return err
}

func (opts *Handle) check(hasHandler bool) (*Consume, error) {
	switch {
	case opts == nil:
		return nil, errNoOptions
	case !hasHandler:
		return nil, &ConfigError{Field: "handler", Value: "nil", Want: "set"}
	case opts.Workers < 0:
		return nil, &ConfigError{Field: "Workers", Value: opts.Workers, Want: "positive, or 0 for one"}
	}
	o := opts.Consume
	if o.Prefetch == 0 {
		o.Prefetch = min(max(defaultPrefetch, 2*opts.Workers), maxPrefetch)
	}
	return &o, nil
}

// handling is one running Handle.
type handling struct {
	ctx     context.Context
	conn    *Conn
	opts    *Handle
	fn      func(context.Context, *Delivery) error
	givenUp func(context.Context, *Delivery, error) // may be nil
	bodies  *bodies
	jobs    chan job
	workers sync.WaitGroup
	queued  chan struct{} // holds one for each message in keys

	mu   sync.Mutex
	keys map[string][]*Delivery // that are worked on, with the messages that wait
}

type job struct {
	key string
	d   *Delivery
}

// feed hands the consumer's messages to the workers until one of them ends it.
func (h *handling) feed(k *consumer) error {
	for {
		d, err := k.next(h.ctx, forever)
		if err != nil {
			return err
		}
		j := job{d: d}
		if h.opts.Key != nil {
			if err := guarded(func() error { j.key = h.opts.Key(d); return nil }); err != nil {
				h.fail(d, err)
				continue
			}
			if h.queue(j) {
				continue
			}
		}
		select {
		case h.jobs <- j:
		case <-h.ctx.Done():
			k.unread(d)
			return h.ctx.Err()
		}
	}
}

// queue puts the message behind those of its key, if there are any; else the key
// is taken, and the message to be given to a worker.
func (h *handling) queue(j job) bool {
	select {
	case h.queued <- struct{}{}:
	case <-h.ctx.Done():
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	waiting, busy := h.keys[j.key]
	if !busy {
		<-h.queued
		h.keys[j.key] = nil
		return false
	}
	h.keys[j.key] = append(waiting, j.d)
	return true
}

// next is the next message of a key, nil when there is none and the key is free.
func (h *handling) next(key string) *Delivery {
	if h.opts.Key == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	waiting := h.keys[key]
	if len(waiting) == 0 {
		delete(h.keys, key)
		return nil
	}
	<-h.queued
	h.keys[key] = waiting[1:]
	return waiting[0]
}

// errGoexit is what becomes of a message whose handler ended its goroutine, as a
// test's FailNow does.
var errGoexit = errors.New("amqp: the handler ended its goroutine (runtime.Goexit)")

// work is a worker's goroutine, which begins with j if that has a message. A handler
// that ends the goroutine costs its own message, and no worker.
func (h *handling) work(j job) {
	returned := false
	defer func() {
		if returned {
			return
		}
		defer h.workers.Go(func() { h.work(job{j.key, h.next(j.key)}) })
		h.fail(j.d, errGoexit)
	}()
	for ok := true; ok; j, ok = <-h.jobs {
		for ; j.d != nil; j.d = h.next(j.key) {
			h.handle(j.d)
		}
	}
	returned = true
}

// handle has the handler work on a message, and settles it. That may fail because
// the handler has settled it, or because the broker has it back already.
func (h *handling) handle(d *Delivery) {
	switch {
	case d.stale():
		return
	case h.ctx.Err() != nil:
		_ = d.Nack(true)
		return
	}
	body := d.Body
	d.handed(h.ctx, h.opts.Consume.Queue)
	err := guarded(func() error { return h.fn(d.ctx, d) })
	if err == nil {
		_ = d.Ack()
		h.bodies.takeBack(d, body)
		return
	}
	h.fail(d, err)
}

// fail settles and reports a message that could not be worked on.
func (h *handling) fail(d *Delivery, err error) {
	requeue, err := h.judge(d, err)
	if h.givenUp != nil && (!requeue || d.Settled()) {
		h.givenUp(h.ctx, d, err)
	}
	_ = d.Nack(requeue)
	h.conn.tell(HandlerFailed{Delivery: d, Err: err, Requeued: requeue})
	var p *PanicError
	if h.conn.onEvent == nil && h.conn.log == nil && errors.As(err, &p) {
		log.Printf("%v\n%s", err, p.Stack)
	}
}

// judge asks the policy, which may panic as well. A handler that the end of its
// context made fail has proved nothing about the message.
func (h *handling) judge(d *Delivery, err error) (requeue bool, _ error) {
	switch {
	case h.ctx.Err() != nil:
		return true, err
	case h.opts.Requeue == nil:
		return !d.Redelivered, err
	}
	failed := guarded(func() error { requeue = h.opts.Requeue(d, err); return nil })
	if failed != nil {
		err = errors.Join(err, failed)
	}
	return requeue, err
}

// guarded calls f and makes a panic an error.
func guarded(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return f()
}
