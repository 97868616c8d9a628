package broker

import (
	"cmp"

	"github.com/haypile/haypile/broker/internal/queue"
	"github.com/haypile/haypile/core/wire"
)

// entryCost is what a message in a queue costs besides its bytes, roughly.
const entryCost = 256

func cost(m *queue.Message) int64 { return int64(m.Size()) + entryCost }

// memory is the account of messages held. It is under Broker.mu.
type memory struct {
	used     int64
	limit    int64
	alarm    bool   // above the limit
	asked    bool   // a test has publishers blocked
	reason   string // of the test
	blocking bool   // there are sessions that are blocked
}

const lowOnMemory = "low on memory"

// exhausted tells that nothing more is taken.
func (m *memory) exhausted() bool { return m.used-m.limit > m.limit/4 }

// refuses is nil while a session may publish. Under an alarm, what it has published
// is still taken, then it is blocked; far above the limit nothing is.
func (m *memory) refuses(s *session) *exception {
	if m.exhausted() {
		return raise(wire.ResourceError, "the broker's memory limit of %d bytes is exceeded", m.limit)
	}
	if (m.alarm || m.asked) && !s.blocked {
		s.block(cmp.Or(m.reason, lowOnMemory))
	}
	return nil
}

// block has nothing more read from the session.
func (s *session) block(reason string) {
	s.blocked, s.broker.memory.blocking = true, true
	s.push(output{kind: outBlock, text: reason})
}

// watchMemory sets and ends the alarm.
func (b *Broker) watchMemory() {
	m := &b.memory
	m.alarm = m.used > m.limit
	if m.alarm || m.asked || !m.blocking {
		return
	}
	m.blocking = false
	for _, s := range b.sessions {
		if s.blocked {
			s.blocked = false
			s.push(output{kind: outUnblock})
		}
	}
}
