package blocking

import (
	"sync"
	"time"
)

// dispatcher runs callbacks one at a time, in order, in a goroutine that exists
// only while there are some.
type dispatcher struct {
	mu      sync.Mutex
	queue   []func()
	running bool
	stopped bool
}

func (d *dispatcher) add(fn func()) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return ErrClosed
	}
	d.queue = append(d.queue, fn)
	if !d.running {
		d.running = true
		go d.run()
	}
	return nil
}

func (d *dispatcher) run() {
	for {
		d.mu.Lock()
		batch := d.queue
		d.queue = nil
		if len(batch) == 0 {
			d.running = false
			d.mu.Unlock()
			return
		}
		d.mu.Unlock()
		for _, fn := range batch {
			fn()
		}
	}
}

// stop refuses what comes from now on; what was added still runs.
func (d *dispatcher) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopped = true
}

// Timer is a callback that CallLater set.
type Timer struct{ timer *time.Timer }

func (d *dispatcher) later(delay time.Duration, fn func()) *Timer {
	return &Timer{time.AfterFunc(delay, func() {
		d.add(fn) // an error: the connection has ended, and fn was not promised to run then
	})}
}

// Stop keeps the callback from running; false when that is too late.
func (t *Timer) Stop() bool { return t.timer.Stop() }
