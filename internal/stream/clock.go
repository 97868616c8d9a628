package stream

import (
	"time"

	"github.com/haypile/haypile/internal/instant"
)

// Clock has one timer of Go's for all transports of a loop that has no timers.
type Clock struct {
	Tasks *Tasks // of the loop; the clock is one of them when the timer has fired

	alarms Alarms
	timer  *time.Timer
	at     instant.Instant // of the timer; none: it has fired, or was never set
}

// Set replaces a transport's time; none takes it out.
func (c *Clock) Set(t *Transport, at instant.Instant) {
	c.alarms.Set(t, at)
	c.wind()
}

// Run implements Task. It calls Expired of those that are due.
func (c *Clock) Run() {
	c.at = 0
	c.alarms.Expire()
	c.wind()
}

// wind sets the timer if it would be late. One that is early finds nothing due.
func (c *Clock) wind() {
	next := c.alarms.Next()
	if next == 0 || c.at != 0 && c.at <= next {
		return
	}
	c.at = next
	if c.timer == nil {
		c.timer = time.AfterFunc(next.Until(), func() { c.Tasks.Add(c) })
		return
	}
	c.timer.Reset(next.Until())
}
