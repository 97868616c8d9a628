package driver

import (
	"time"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/internal/instant"
)

// A broker that has little to say at a time, but often, costs its client a wake-up
// for each lot: far more than what is in it. With a latency budget the connection
// leaves the socket alone for that long after a small read, and then finds several
// lots in one.

// maxBudget keeps a budget from being mistaken for a timeout.
const maxBudget = time.Second

// restBelow is what a read must bring, in bytes, to be worth its wake-up; another
// may then follow at once.
const restBelow = 16 << 10

func (p *Params) checkBudget() error {
	if p.LatencyBudget < 0 || p.LatencyBudget > maxBudget {
		return &core.ConfigError{Field: "LatencyBudget", Value: p.LatencyBudget, Want: "from 0 to 1s"}
	}
	return nil
}

// rest stops reading for the length of the budget after a read of n bytes, if that
// was little.
func (s *session) rest(n int, now time.Time) {
	if budget := s.conn.budget; budget > 0 && s.core.IsOpen() && n < restBelow {
		s.restUntil = instant.Of(now).Add(budget)
		s.conn.pauses |= PauseBudget
	}
}

// rested goes on reading when the rest is over. A connection that is being closed
// does not rest: the broker goes when it has said its last, and what is then written
// to it would cost us that.
func (s *session) rested(now time.Time) {
	if s.conn.budget > 0 && (instant.Of(now) >= s.restUntil || !s.core.IsOpen()) {
		s.conn.pauses &^= PauseBudget
	}
}

// nextRead is when to go on reading, none when the connection reads.
func (s *session) nextRead() instant.Instant {
	if s.conn.budget > 0 && s.conn.pauses&PauseBudget != 0 {
		return s.restUntil
	}
	return 0
}
