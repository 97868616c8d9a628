package blocking

import (
	"time"

	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// loopState belongs to the connection's goroutine, and while there is none to the
// one that recovers it.
type loopState struct {
	running batch // the batch that is being run, swapped with Conn.queue
	waiting int   // calls that wait for an answer of the broker
	full    map[*consumer]struct{}
	merging *Channel // has acks that may be merged with those that follow
	publish core.Publishing
	core    *core.Conn // of the latest connection
	fate    fate
	replay  *replay // under way
	record  record
	stats   Stats   // counters, and those gauges that are counted
	before  Traffic // of the connections before this one
}

// connHandler is the Conn as core sees it; its methods run on the loop.
type connHandler Conn

func (h *connHandler) OnOpen(cc *core.Conn) {
	const headerFixed = wire.FrameOverhead + 12 // frame, class, weight, body size
	c := (*Conn)(h)
	c.mu.Lock()
	c.latest, c.header = cc, int(cc.FrameMax())-headerFixed
	lost := c.lost
	c.mu.Unlock()
	c.turn.fate, c.turn.core, c.turn.waiting = fateOpen, cc, 0
	c.turn.before = c.turn.stats.Traffic
	if lost {
		c.beginReplay(cc)
		return
	}
	c.tellOpen()
	close(c.opened)
}

func (h *connHandler) OnWritable(*core.Conn) {}

func (h *connHandler) OnBlocked(_ *core.Conn, blocked bool, reason string) {
	c := (*Conn)(h)
	c.mu.Lock()
	c.blocked = blocked
	c.makeRoom()
	c.mu.Unlock()
	if blocked {
		c.tell(Blocked{Reason: reason})
	} else {
		c.tell(Unblocked{})
	}
}

func (h *connHandler) OnClose(cc *core.Conn, err error) {
	c := (*Conn)(h)
	c.mu.Lock()
	c.publishStats(cc)
	c.mu.Unlock()
	if c.decide(cc) == fateEnded {
		c.finish(err)
		return
	}
	c.turn.replay = nil
	c.mu.Lock()
	again := c.lost // while it was being recovered
	if !again {
		c.lostAt = time.Now()
		if c.flaps++; c.backAt.IsZero() || c.lostAt.Sub(c.backAt) > stable {
			c.flaps = 0
		}
	}
	flaps := c.flaps
	c.lost, c.lostErr, c.blocked, c.inCore = true, err, false, 0
	d := c.live.Load()
	c.mu.Unlock()
	if !again {
		c.tell(Lost{err})
		go c.recover(d, err, flaps)
	}
}

// finish is the end for good. The events are told before that of the end.
func (c *Conn) finish(err error, events ...Event) {
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return
	}
	c.ended, c.err = true, err
	asked := c.closing
	left := c.queue
	c.queue = batch{}
	suspended := c.channels
	c.channels = nil
	c.makeRoom()
	c.mu.Unlock()
	c.turn.running.fail(because(ErrClosed, err))
	left.fail(because(ErrClosed, err))
	for _, ch := range suspended {
		ch.end(err)
	}
	for _, e := range events {
		c.tell(e)
	}
	c.tellEnd(err, asked)
	c.dispatch.stop()
	c.stop()
	close(c.done)
}

// drain runs on the loop what was queued.
func (c *Conn) drain(cc *core.Conn, _ time.Time) {
	if c.turn.fate == fateLost || c.turn.replay != nil {
		return
	}
	run := &c.turn.running
	if len(run.ops) > 0 { // a panic came between
		c.runBatch(cc, run)
	}
	c.mu.Lock()
	c.queue, *run = *run, c.queue
	c.inCore += run.size()
	if c.ahead {
		c.ahead = false
		c.makeRoom()
	}
	c.mu.Unlock()
	c.runBatch(cc, run)
}

// flushed runs on the loop after output was handed to the transport.
func (c *Conn) flushed(d *driver.Conn, cc *core.Conn, _ time.Time) {
	c.mu.Lock()
	c.inCore = cc.Buffered()
	c.publishStats(cc)
	c.makeRoomIfEmptied()
	closing := c.closing
	c.mu.Unlock()
	c.rest(d, closing)
}

// rest decides, on the loop, whether to go on reading: not while an inbox is
// full, unless somebody waits for something that is behind what fills it: an
// answer, also to a close, or the end of a resource alarm.
func (c *Conn) rest(d *driver.Conn, closing bool) {
	for k := range c.turn.full {
		if !k.inbox.full() {
			delete(c.turn.full, k)
		}
	}
	if len(c.turn.full) > 0 && c.turn.waiting == 0 && c.publishers.Load() == 0 && !closing {
		d.Pause(driver.PauseInbox)
	} else {
		d.Resume(driver.PauseInbox)
	}
}
