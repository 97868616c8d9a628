package blocking

import (
	"slices"
	"time"

	"github.com/haypile/haypile/core"
)

// replay makes again on a new connection what the lost one had: the entities, then
// the user's channels with all that belongs to them. It runs on the loop.
type replay struct {
	conn    *Conn
	core    *core.Conn
	waiting int // channels that are being opened, and one
}

// beginReplay is called when the new connection is open.
func (c *Conn) beginReplay(cc *core.Conn) {
	r := &replay{conn: c, core: cc}
	c.turn.replay = r
	c.redeclare(cc, func(*recorded) bool { return true }, r.openChannels)
}

// openChannels opens the user's channels, side by side.
func (r *replay) openChannels() {
	r.conn.mu.Lock()
	channels := slices.Clone(r.conn.channels)
	r.conn.mu.Unlock()
	r.waiting = 1 + len(channels)
	for _, ch := range channels {
		ch.reopen(r.core, 0, r.check)
	}
	r.check()
}

// check ends the replay when it is called for the last time: once for each channel,
// and once for all.
func (r *replay) check() {
	c := r.conn
	if r.waiting--; r.waiting > 0 || c.turn.replay != r || !r.core.IsOpen() {
		return
	}
	c.turn.replay = nil
	c.turn.stats.Recoveries++
	c.mu.Lock()
	c.lost, c.backAt = false, time.Now()
	close(c.back) // with lost, so that a Close finds either both or none
	c.makeRoom()
	channels, lostAt := slices.Clone(c.channels), c.lostAt
	c.mu.Unlock()
	c.tell(Recovered{After: time.Since(lostAt)})
	for _, ch := range channels {
		ch.runStalled()
	}
	c.drain(r.core, time.Time{})
}
