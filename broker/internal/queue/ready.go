package queue

// head is the first of the ready messages, of which there must be one.
func (q *Queue) head() *Entry {
	return q.lanes[q.nonEmpty.highest()].head()
}

// pop removes the first of the ready messages, of which there must be one.
func (q *Queue) pop() *Entry {
	p := q.nonEmpty.highest()
	l := &q.lanes[p]
	e := l.pop()
	if l.empty() {
		q.nonEmpty.remove(p)
	}
	q.ready--
	q.bytes -= int64(len(e.Message.Body))
	return e
}

// added accounts for a message that was put into its lane.
func (q *Queue) added(e *Entry) {
	q.nonEmpty.add(e.lane)
	q.ready++
	q.bytes += int64(len(e.Message.Body))
}

// refuses tells whether one more message is to be turned away. Consumers that wait
// make no difference to it.
func (q *Queue) refuses(m *Message) bool {
	return q.cfg.Overflow != DropHead && q.over(int64(q.ready)+1, q.bytes+int64(len(m.Body)))
}

func (q *Queue) over(length, bytes int64) bool {
	return q.cfg.MaxLength >= 0 && length > q.cfg.MaxLength ||
		q.cfg.MaxLengthBytes >= 0 && bytes > q.cfg.MaxLengthBytes
}

// dropOverflow drops from the head what is above the limits.
func (q *Queue) dropOverflow() {
	if q.cfg.Overflow != DropHead {
		return
	}
	for q.ready > 0 && q.over(int64(q.ready), q.bytes) {
		q.drop(q.pop(), MaxLength)
	}
}

// dropExpired drops from the head what has expired. What has expired behind a
// message that has not stays, and counts, until it comes to the head.
func (q *Queue) dropExpired(at int64) {
	for q.ready > 0 && q.head().expires <= at {
		q.drop(q.pop(), Expired)
	}
}

// drop ends a message that was not consumed.
func (q *Queue) drop(e *Entry, why Reason) {
	m := e.Message
	q.pool.give(e)
	q.deadLetter(m, why)
	q.hooks.Gone(q, m)
}

func (q *Queue) deadLetter(m *Message, why Reason) {
	if q.cfg.DeadLetter && !q.deleted {
		q.hooks.DeadLetter(q, m, why)
	}
}

// release ends a message that was consumed, or purged.
func (q *Queue) release(e *Entry) {
	m := e.Message
	q.pool.give(e)
	q.hooks.Gone(q, m)
}
