package blocking

import (
	"errors"
	"slices"
	"time"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// replay makes again on a new connection what the lost one had: entities one after
// the other on a channel of its own, then the user's channels with all that belongs
// to them. It runs on the loop.
type replay struct {
	conn    *Conn
	core    *core.Conn
	channel *core.Channel // for entities; reopened after each that fails
	todo    []*recorded
	held    int // refusals of the next one because the lost connection has it
	waiting int // channels that are being opened, and one
}

// beginReplay is called when the new connection is open.
func (c *Conn) beginReplay(cc *core.Conn) {
	r := &replay{conn: c, core: cc}
	for _, e := range c.turn.record.all {
		if f := c.recovery.Filter; f == nil || f(e.Entity) {
			r.todo = append(r.todo, e)
		}
	}
	c.turn.replay = r
	r.next()
}

// next declares the next entity, and opens the channels after the last.
func (r *replay) next() {
	for len(r.todo) > 0 {
		e := r.todo[0]
		r.todo = r.todo[1:]
		err := r.declare(e)
		if err == nil {
			return // answered will go on
		}
		if !r.core.IsOpen() {
			return // lost again
		}
		r.conn.tell(EntityFailed{e.Entity, err})
	}
	r.openChannels()
}

// declare makes the request for an entity.
func (r *replay) declare(e *recorded) (err error) {
	if r.channel == nil || !r.channel.IsOpen() {
		if r.channel, err = r.core.OpenChannel(nil); err != nil {
			return err
		}
	}
	switch m := e.request.(type) {
	case *wire.ExchangeDeclare:
		return r.channel.ExchangeDeclare(m, func(_ *wire.ExchangeDeclareOk, err error) { r.answered(e, e.Name, err) })
	case *wire.ExchangeBind:
		return r.channel.ExchangeBind(m, func(_ *wire.ExchangeBindOk, err error) { r.answered(e, e.Name, err) })
	case *wire.QueueBind:
		return r.channel.QueueBind(m, func(_ *wire.QueueBindOk, err error) { r.answered(e, e.Name, err) })
	case *wire.QueueDeclare:
		return r.channel.QueueDeclare(m, func(ok *wire.QueueDeclareOk, err error) {
			name := e.Name
			if ok != nil {
				name = ok.Queue
			}
			r.answered(e, name, err)
		})
	}
	return nil
}

// answered is the broker's word about an entity.
func (r *replay) answered(e *recorded, name string, err error) {
	if !r.core.IsOpen() {
		return // lost again
	}
	switch {
	case errors.Is(err, wire.ResourceLocked) && isExclusive(e) && r.held < maxHeld:
		r.held++
		r.todo = slices.Insert(r.todo, 0, e)
		r.conn.after(r.held, func() {
			if r.conn.turn.replay == r && r.core.IsOpen() {
				r.next()
			}
		})
		return
	case err != nil:
		r.conn.tell(EntityFailed{e.Entity, err})
	case name != e.Name:
		r.conn.rename(e.Name, name)
	}
	r.held = 0
	r.next()
}

// maxHeld is how often what belongs to one connection alone is tried again while
// the broker takes the lost one for alive. With the usual pauses that is for longer
// than two heartbeats of a minute, after which it knows better.
const maxHeld = 10

func isExclusive(e *recorded) bool {
	m, ok := e.request.(*wire.QueueDeclare)
	return ok && m.Exclusive
}

// after has fn run on the loop after the n-th pause, unless the connection is lost
// before.
func (c *Conn) after(n int, fn func()) {
	c.live.Load().CallLater(c.params.Pause(n), func(*core.Conn) { fn() })
}

// rename gives a queue that the broker named its new name everywhere.
func (c *Conn) rename(old, name string) {
	c.turn.record.rename(old, name)
	c.mu.Lock()
	if c.renamed == nil {
		c.renamed = map[string]string{}
	}
	for was, is := range c.renamed {
		if is == old {
			c.renamed[was] = name
		}
	}
	c.renamed[old] = name
	channels := c.channels
	c.mu.Unlock()
	for _, ch := range channels {
		if ch.lastQueue == old {
			ch.lastQueue = name
		}
		for _, k := range ch.consumers {
			if k.request.Queue == old {
				k.request.Queue = name
			}
		}
	}
	c.tell(QueueRenamed{old, name})
}

// openChannels opens the user's channels, side by side.
func (r *replay) openChannels() {
	if r.channel != nil {
		_ = r.channel.Close(wire.ReplySuccess, "recovered") // an error means that an entity closed it
	}
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
