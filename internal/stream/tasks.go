package stream

import "sync"

// Task is something to be done on a loop.
type Task interface{ Run() }

// Tasks are what a loop is to do between two looks at its sockets.
type Tasks struct {
	// Tell has the loop call Run. It is called by whoever adds a task when there was
	// none, so that the loop is told once of any number.
	Tell func()

	mu     sync.Mutex
	queue  []Task
	spare  []Task // the queue before, whose memory is used again
	told   bool   // the loop, or it is about to be
	closed bool
}

// keepTasks bounds the queue that is kept.
const keepTasks = 4096

// Add has the task run soon. Any goroutine may call it. False: Close was called, and
// the task never runs.
func (q *Tasks) Add(t Task) bool {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return false
	}
	q.queue = append(q.queue, t)
	first := !q.told
	q.told = true
	q.mu.Unlock()
	if first {
		q.Tell()
	}
	return true
}

// Run runs the tasks that are there when it begins, on the loop. True: there are more
// by now. Then Tell is not called for them, and the loop owes another Run, after a look
// at its sockets: tasks that add themselves must not keep all others waiting.
func (q *Tasks) Run() (more bool) {
	q.mu.Lock()
	batch := q.queue
	q.queue = q.spare[:0]
	q.mu.Unlock()
	for i, t := range batch {
		batch[i] = nil
		t.Run()
	}
	if cap(batch) > keepTasks {
		batch = nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.spare = batch
	q.told = len(q.queue) > 0
	return q.told
}

// Close has Add refuse tasks, so that Tell is not called any more. Those that were
// added before are for a last Run.
func (q *Tasks) Close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
}
