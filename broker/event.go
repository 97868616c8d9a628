package broker

// finish ends an event: what follows from it happens, and clients hear of it. It
// is called with mu held and gives it up. self is the session whose callback
// began the event, which sends its own; nil for a timer or a test.
func (b *Broker) finish(self *session) {
	for {
		b.settle()
		b.rearm()
		var batch []output
		var again bool
		if self != nil {
			batch, again = self.take()
		}
		wakes := b.takeWakes(self)
		b.observe()
		b.mu.Unlock()
		for i, s := range wakes {
			wakes[i] = nil
			if s != self {
				s.conn.Notify()
			}
		}
		if len(batch) > 0 && !self.flush(batch) {
			b.mu.Lock()
			self.out.choked = true
			self.about.buffered = self.core.Buffered()
			b.mu.Unlock()
			return
		}
		if !again {
			return
		}
		b.mu.Lock()
	}
}

// observe is told after each event of a state that others may see. It is under mu.
func (b *Broker) observe() {
	for _, f := range b.watchers {
		f()
	}
}

func (b *Broker) takeWakes(self *session) []*session {
	wakes := b.wakes
	for _, s := range wakes {
		s.out.listed = false
	}
	b.wakes = nil
	if self != nil {
		b.wakes, self.out.wakes = self.out.wakes[:0], wakes
	}
	return wakes
}

// settle brings the state to rest: messages that died move on, and queues deliver
// what they can.
func (b *Broker) settle() {
	b.chain = chain{step: b.chain.step + 1}
	for len(b.dead) > 0 || len(b.stirred) > 0 {
		for i := 0; i < len(b.dead); i++ {
			b.bury(&b.dead[i])
		}
		clear(b.dead)
		b.dead = b.dead[:0]
		for i := 0; i < len(b.stirred); i++ {
			q := b.stirred[i]
			q.stirred = false
			b.stirred[i] = nil
			q.rest()
		}
		b.stirred = b.stirred[:0]
	}
	b.watchMemory()
}
