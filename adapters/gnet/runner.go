//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package gnet

import (
	"context"
	"fmt"
	"sync"

	"github.com/panjf2000/gnet/v2"

	"github.com/haypile/haypile/internal/stream"
)

// task is something to be done on an event loop.
type task interface{ run() }

// runner has an event loop run tasks. gnet runs what it is given until there is
// nothing left, before it looks at its sockets again, so that handlers that wake
// themselves would keep all others waiting. The runner gives gnet one thing at a
// time: the tasks that are there when it begins.
type runner struct {
	loop *Loop
	on   gnet.EventLoop

	clock stream.Clock // of the event loop

	mu       sync.Mutex
	queue    []task
	spare    []task // the queue before, whose memory is used again
	underway bool   // gnet has been given the runner, or is about to be
}

// runnerOf is the runner of an event loop.
func (l *Loop) runnerOf(on gnet.EventLoop) *runner {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.runners[on]
	if r == nil {
		r = &runner{loop: l, on: on}
		r.clock.Ring = func() { r.add((*expiry)(r)) }
		l.runners[on] = r
	}
	return r
}

// add has the task run soon. Any goroutine may call it.
func (r *runner) add(t task) {
	r.mu.Lock()
	r.queue = append(r.queue, t)
	first := !r.underway
	r.underway = true
	r.mu.Unlock()
	if first {
		r.submit()
	}
}

// submit gives the runner to gnet, unless that has been told to stop: what it
// wakes its loop with may be somebody else's descriptor afterwards.
func (r *runner) submit() {
	r.loop.mu.RLock()
	defer r.loop.mu.RUnlock()
	if r.loop.stopped {
		return
	}
	if err := r.on.Execute(context.Background(), r); err != nil {
		r.loop.report(fmt.Errorf("amqp: gnet: %w", err))
	}
}

// expiry is what the clock rings for.
type expiry runner

func (x *expiry) run() { x.clock.Expire() }

// keepTasks bounds the queue that is kept.
const keepTasks = 4096

// Run implements gnet.Runnable.
func (r *runner) Run(context.Context) error {
	r.mu.Lock()
	batch := r.queue
	r.queue = r.spare[:0]
	r.mu.Unlock()
	for i, t := range batch {
		batch[i] = nil
		t.run()
	}
	if cap(batch) > keepTasks {
		batch = nil
	}
	r.mu.Lock()
	r.spare = batch
	r.underway = len(r.queue) > 0
	again := r.underway
	r.mu.Unlock()
	if again {
		// By way of another goroutine, so that gnet finds nothing to do at first.
		return r.loop.watcher.AddCallbackThreadsafe(r.submit)
	}
	return nil
}
