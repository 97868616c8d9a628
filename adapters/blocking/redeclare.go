package blocking

import (
	"errors"
	"slices"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// redeclaring makes recorded entities again, one after the other on a channel of its
// own. It runs on the loop.
type redeclaring struct {
	conn    *Conn
	core    *core.Conn
	channel *core.Channel // reopened after each entity that fails
	todo    []*recorded
	held    int    // refusals of the next one because the lost connection has it
	over    func() // when all have been tried, unless the connection is lost before
}

// redeclare makes those of the recorded entities again that are wanted, as far as
// the user wants them, too.
func (c *Conn) redeclare(cc *core.Conn, wanted func(*recorded) bool, over func()) {
	r := &redeclaring{conn: c, core: cc, over: over}
	for _, e := range c.turn.record.all {
		if f := c.recovery.Filter; wanted(e) && (f == nil || f(e.Entity)) {
			r.todo = append(r.todo, e)
		}
	}
	r.next()
}

// next declares the next entity.
func (r *redeclaring) next() {
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
	if r.channel != nil {
		_ = r.channel.Close(wire.ReplySuccess, "recovered") // an error means that an entity closed it
	}
	r.over()
}

// declare makes the request for an entity.
func (r *redeclaring) declare(e *recorded) (err error) {
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
func (r *redeclaring) answered(e *recorded, name string, err error) {
	if !r.core.IsOpen() {
		return // lost again
	}
	switch {
	case errors.Is(err, wire.ResourceLocked) && isExclusive(e) && r.held < maxHeld:
		r.held++
		r.todo = slices.Insert(r.todo, 0, e)
		r.conn.after(r.held, func() {
			if r.core.IsOpen() {
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
