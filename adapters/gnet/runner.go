//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package gnet

import (
	"context"
	"fmt"

	"github.com/panjf2000/gnet/v2"

	"github.com/haypile/haypile/internal/stream"
)

// runner has an event loop run tasks. gnet runs what it is given until there is
// nothing left, before it looks at its sockets again, so it is given one thing at a
// time: a run of the tasks.
type runner struct {
	loop  *Loop
	on    gnet.EventLoop
	tasks stream.Tasks
	clock stream.Clock
}

// runnerOf is the runner of an event loop.
func (l *Loop) runnerOf(on gnet.EventLoop) *runner {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.runners[on]
	if r == nil {
		r = &runner{loop: l, on: on}
		r.tasks.Tell, r.clock.Tasks = r.submit, &r.tasks
		l.runners[on] = r
	}
	return r
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

// Run implements gnet.Runnable.
func (r *runner) Run(context.Context) error {
	if r.tasks.Run() {
		// By way of another goroutine, so that gnet finds nothing to do at first.
		return r.loop.watcher.AddCallbackThreadsafe(r.tasks.Tell)
	}
	return nil
}
