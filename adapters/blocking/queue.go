package blocking

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// op is something to be done on the loop. Publishes and acks are plain values,
// so that queueing one allocates nothing.
type op struct {
	kind  opKind
	flag  bool     // opPublish: mandatory; opNack, opReject: requeue
	epoch uint32   // opAck, opNack, opReject: of the channel
	ch    *Channel // nil only for opening one
	call  *callOp  // opCall
	tag   uint64   // opAck, opNack, opReject; opForget: the call's number

	exchange, key string   // opPublish
	props, body   span     // opPublish
	lent          *lending // opPublish with a large body, which is here and not in body
	outcome       *outcome // opPublish that somebody waits for
}

type opKind uint8

const (
	opCall opKind = iota
	opForget
	opPublish
	opAck
	opNack
	opReject
)

// callOp is the waiter of an operation whose caller waits. Operations are copied
// often, so that a pointer in them is better than an interface.
type callOp struct {
	waiter interface {
		begin(cc *core.Conn)
		fail(err error)
		hasGone() bool
	}
}

// batch is a run of operations with the bytes that they refer to.
type batch struct {
	ops    []op
	bytes  []byte
	lent   int // bytes of large bodies
	run    int // ops before this one have been run
	pruned int // how many ops were left the latest time

	idleOps, idleBytes uint8 // for how many batches most of their memory was of no use
}

// span is a part of batch.bytes.
type span struct{ from, to int }

func (s span) of(bytes []byte) []byte { return bytes[s.from:s.to:s.to] }

// What a batch keeps allocated however little of it is used.
const (
	keepOps   = 256
	keepBytes = 64 << 10
)

// reset empties the batch and keeps its memory, unless most of it is of no use.
func (b *batch) reset() {
	b.ops = emptied(b.ops, keepOps, &b.idleOps)
	b.bytes = emptied(b.bytes, keepBytes, &b.idleBytes)
	b.pruned, b.lent, b.run = 0, 0, 0
}

// emptied keeps the memory of s until most of it was of no use many times in a row:
// among the batches of a busy connection there are small ones.
func emptied[T any](s []T, keep int, idle *uint8) []T {
	const many = 16
	if cap(s) <= keep || len(s) >= cap(s)/4 {
		*idle = 0
		return s[:0]
	}
	if *idle++; *idle < many {
		return s[:0]
	}
	*idle = 0
	return nil
}

// size estimates the memory that the batch will take in the output.
func (b *batch) size() int {
	const perOp = 64
	return len(b.bytes) + b.lent + perOp*len(b.ops)
}

// prune drops calls that nobody waits for any more, when there may be many.
func (b *batch) prune() {
	const few = 64
	if len(b.ops) < max(few, 2*b.pruned) {
		return
	}
	b.ops = slices.DeleteFunc(b.ops, func(o op) bool { return o.call != nil && o.call.waiter.hasGone() })
	b.pruned = len(b.ops)
}

// fail tells everybody who waits that the operations will not be done.
func (b *batch) fail(err error) {
	for b.run < len(b.ops) {
		b.run++
		b.ops[b.run-1].fail(err)
	}
}

// runBatch does the operations that have not been done, on the loop. Where the
// program's own code panics in one, nobody knows what came of that; those behind it
// have their turn when the connection is back.
func (c *Conn) runBatch(cc *core.Conn, b *batch) {
	var o *op
	defer func() {
		if o != nil {
			o.fail(ErrUnknownOutcome)
		}
	}()
	for b.run < len(b.ops) {
		o = &b.ops[b.run]
		b.run++
		c.run(cc, o, b.bytes)
		*o = op{}
	}
	o = nil
	c.endMerging()
	b.reset()
}

// payload is the body of an opPublish in a batch of those bytes.
func (o *op) payload(bytes []byte) []byte {
	if o.lent != nil {
		return o.lent.bytes
	}
	return o.body.of(bytes)
}

func (o *op) fail(err error) {
	if o.lent != nil && !o.lent.giveUp(err) {
		return // its publisher has gone
	}
	switch {
	case o.call != nil:
		o.call.waiter.fail(err)
	case o.outcome != nil:
		o.ch.settle(o.outcome, err)
	}
}

// run does one operation on the loop.
func (c *Conn) run(cc *core.Conn, o *op, bytes []byte) {
	if o.ch != nil && o.ch.stalls(o, bytes) {
		return
	}
	if m := c.turn.merging; m != nil && (o.kind != opAck || o.ch != m) {
		m.sendAcks()
	}
	switch o.kind {
	case opCall:
		o.call.waiter.begin(cc)
	case opForget:
		o.ch.forget(o.tag)
	case opPublish:
		o.ch.runPublish(o, bytes)
	default:
		o.ch.runSettle(o)
	}
}

// waiter is a caller that waits for the reply to a request.
type waiter[R wire.Method] struct {
	self callOp
	run  func(*core.Conn) error // makes the request, on the loop; nil: it is req alone
	ch   *Channel               // of req
	req  wire.Request[R]

	mu        sync.Mutex  // held while the request is encoded
	abandoned atomic.Bool // the caller has gone; set under mu
	done      chan struct{}
	reply     R
	err       error
}

func newWaiter[R wire.Method]() *waiter[R] {
	w := &waiter[R]{done: make(chan struct{})}
	w.self.waiter = w
	return w
}

// send queues the operation and waits for its reply. A caller whose context
// or patience ends leaves: a request that was not sent yet will not be, and a reply to one
// that was is dropped.
func (w *waiter[R]) send(ctx context.Context, c *Conn, o op) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := c.enqueueAwaited(o); err != nil {
		return err
	}
	return w.wait(ctx, c)
}

func (w *waiter[R]) wait(ctx context.Context, c *Conn) error {
	var late <-chan time.Time
	if c.patience > 0 {
		t := time.NewTimer(c.patience)
		defer t.Stop()
		late = t.C
	}
	select {
	case <-w.done:
		return w.err
	case <-late:
		return w.abandon(c.whileLost(ErrRPCTimeout))
	case <-ctx.Done():
		return w.abandon(c.whileLost(ctx.Err()))
	}
}

// abandon gives up waiting, unless the reply has come in the same moment.
func (w *waiter[R]) abandon(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.done:
		return w.err
	default:
		w.abandoned.Store(true)
		return err
	}
}

// begin makes the request, on the loop, unless the caller has gone.
func (w *waiter[R]) begin(cc *core.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.abandoned.Load() {
		return
	}
	var err error
	if w.run != nil {
		err = w.run(cc)
	} else {
		err = w.ask(w.ch, w.req)
	}
	if err != nil {
		w.fail(err)
	}
}

// offer settles with what the caller must not miss, such as a message; false
// when the caller has gone.
func (w *waiter[R]) offer(reply R, err error) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.abandoned.Load() {
		return false
	}
	w.settle(reply, err)
	return true
}

func (w *waiter[R]) hasGone() bool { return w.abandoned.Load() }

// settle is told the reply. The first one counts.
func (w *waiter[R]) settle(reply R, err error) {
	select {
	case <-w.done:
	default:
		w.reply, w.err = reply, err
		close(w.done)
	}
}

func (w *waiter[R]) fail(err error) {
	var none R
	w.settle(none, err)
}

// call makes a request on the channel and waits for the reply.
func call[R wire.Method](ctx context.Context, ch *Channel, req wire.Request[R]) (R, error) {
	return begin(ctx, ch, req, (*Conn).enqueueAwaited).wait()
}

// begun is a request that has been queued, or why it was not.
type begun[R wire.Method] struct {
	ctx  context.Context
	ch   *Channel
	w    *waiter[R]
	err  error
	done finishers
}

// begin queues a request on the channel, in one of the ways of the Conn.
func begin[R wire.Method](ctx context.Context, ch *Channel, req wire.Request[R], enqueue func(*Conn, op) error) begun[R] {
	b := begun[R]{ctx: ctx, ch: ch, w: newWaiter[R](), done: ch.calling(ctx, req.ID())}
	b.w.ch, b.w.req = ch, req
	if b.err = ctx.Err(); b.err == nil {
		b.err = enqueue(ch.conn, op{kind: opCall, ch: ch, call: &b.w.self})
	}
	return b
}

// wait is for the reply.
func (b begun[R]) wait() (reply R, err error) {
	if err = b.err; err == nil {
		err = b.w.wait(b.ctx, b.ch.conn)
	}
	b.done.run(err)
	if err != nil {
		return reply, err
	}
	return b.w.reply, nil
}

// request is call where more than the request is to be done on the loop.
func request[R wire.Method](ctx context.Context, ch *Channel, method wire.MethodID, run func(w *waiter[R]) error) error {
	done := ch.calling(ctx, method)
	w := newWaiter[R]()
	w.run = func(*core.Conn) error { return run(w) }
	err := w.send(ctx, ch.conn, op{kind: opCall, ch: ch, call: &w.self})
	done.run(err)
	return err
}

// ask makes a request, on the loop.
func (w *waiter[R]) ask(ch *Channel, req wire.Request[R]) error {
	if ch.conn.recovery != nil {
		req = ch.resolved(req).(wire.Request[R])
	}
	w.ch, w.req = ch, req
	err := core.Call(ch.core, req, w.answered)
	if err == nil {
		ch.conn.turn.waiting++
	}
	return err
}

// answered is told the reply to what ask has made, and notes what the broker has
// done.
func (w *waiter[R]) answered(reply R, err error) {
	c := w.ch.conn
	c.turn.waiting--
	if c.recovery != nil && err == nil {
		w.ch.note(w.req, reply)
	}
	w.settle(reply, c.interrupted(err))
}

// counted makes a request on the loop, counting it as waiting until it is
// settled.
func counted[R any](c *Conn, request func(done func(R, error)) error, settle func(R, error)) error {
	err := request(func(reply R, err error) {
		c.turn.waiting--
		settle(reply, c.interrupted(err))
	})
	if err == nil {
		c.turn.waiting++
	}
	return err
}

// interrupted is the error of a request that a lost connection kept from being
// answered: its channel is not closed.
func (c *Conn) interrupted(err error) error {
	cc := c.turn.core
	if err == nil || cc.State() != core.StateClosed || c.decide(cc) != fateLost {
		return err
	}
	return because(ErrUnknownOutcome, cc.Err())
}
