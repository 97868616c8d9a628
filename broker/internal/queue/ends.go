package queue

// Head is the ready message that is next, nil if there is none. It must not be kept.
func (q *Queue) Head() *Entry {
	if q.ready == 0 {
		return nil
	}
	return q.head()
}

// Tail is the ready message that is last, nil if there is none. It must not be kept.
// It costs no more than Head unless all messages of its priority came back.
func (q *Queue) Tail() *Entry {
	for i := range q.lanes {
		if e := q.lanes[i].tail(); e != nil {
			return e
		}
	}
	return nil
}

func (l *lane) tail() *Entry {
	if l.last != nil {
		return l.last
	}
	var last *Entry
	for _, e := range l.returned {
		if last == nil || e.place > last.place {
			last = e
		}
	}
	return last
}
