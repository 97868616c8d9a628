package adapters_test

import (
	"time"

	"github.com/haypile/haypile/adapters"
)

// clock is a handler that writes the time once a second and needs no goroutine
// for it.
type clock struct{ t adapters.Transport }

func (c *clock) OnOpen(t adapters.Transport, now time.Time) {
	c.t = t
	c.OnWake(now)
}

func (c *clock) OnData([]byte, time.Time) {}

func (c *clock) OnWake(now time.Time) {
	if c.t.Buffered() < adapters.HighWater { // else the peer does not read
		c.t.Write([][]byte{[]byte(now.Format(time.TimeOnly + "\n"))})
	}
	c.t.SetWakeup(now.Add(time.Second))
}

func (c *clock) OnClose(error, time.Time) {}

func ExampleHandler() {
	var h adapters.Handler = &clock{}
	_ = h // to be given to a loop's Attach, with a connection
}
