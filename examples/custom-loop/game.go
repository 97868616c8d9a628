package main

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

const (
	gravity  = 1.6 // metres per second squared: it is the moon
	thrust   = 4.0
	safe     = 2.0 // metres per second
	burst    = 6   // frames that the engine burns for one command
	reports  = 6   // frames between two reports
	pictures = 30  // frames between two lines on the screen
)

// game is the world, and the handler of its connection. All of it runs on the
// loop, in frame or in a callback, so it needs no lock.
type game struct {
	core.NopClient
	amqp *core.Conn // once it is open
	ch   *core.Channel
	err  error

	toLander, toPilot string // queues

	flying           bool
	height, speed    float64 // of falling
	burning          int     // frames
	frames, commands int
}

// OnOpen has the lander and the pilot listen to each other. Requests may be made
// without waiting for answers; the lander is let go when the last is answered.
func (g *game) OnOpen(c *core.Conn) {
	fmt.Println("connected to", c.PeerProperties()["product"], c.PeerProperties()["version"])
	g.amqp = c
	ch, err := c.OpenChannel(nil)
	if err != nil {
		g.fail(err)
		return
	}
	g.ch = ch
	g.listen(&g.toLander, g.fire, nil)
	g.listen(&g.toPilot, g.pilot, func(_ *wire.BasicConsumeOk, err error) {
		g.fail(err)
		g.flying = err == nil
	})
}

// listen consumes a queue of its own, to which the broker gives a name.
func (g *game) listen(name *string, on func(*core.Delivery), done func(*wire.BasicConsumeOk, error)) {
	g.fail(g.ch.QueueDeclare(&wire.QueueDeclare{Exclusive: true}, func(q *wire.QueueDeclareOk, err error) {
		if err != nil {
			g.fail(err)
			return
		}
		*name = q.Queue
		g.fail(g.ch.Consume(&wire.BasicConsume{Queue: q.Queue, NoAck: true}, on, done))
	}))
}

func (g *game) publish(queue string, body []byte) {
	_, err := g.ch.Publish(&core.Publishing{RoutingKey: queue, Body: body})
	g.fail(err)
}

// frame moves the world by one sixtieth of a second. It is no callback, but the
// connection's goroutine all the same: it may publish.
func (g *game) frame() {
	if !g.flying {
		return
	}
	g.frames++
	a := gravity
	if g.burning > 0 {
		g.burning--
		a -= thrust
	}
	g.speed += a / framesPerSecond
	g.height -= g.speed / framesPerSecond
	if g.frames%pictures == 0 {
		fmt.Printf("%4.1f m up, falling %4.1f m/s\n", max(g.height, 0), g.speed)
	}
	switch {
	case g.height <= 0:
		g.land()
	case g.frames%reports == 0:
		g.publish(g.toPilot, binary.BigEndian.AppendUint64(nil, math.Float64bits(g.speed)))
	}
}

// pilot gets flight data.
func (g *game) pilot(d *core.Delivery) {
	if len(d.Body) == 8 && math.Float64frombits(binary.BigEndian.Uint64(d.Body)) > safe {
		g.publish(g.toLander, []byte("fire"))
	}
}

// fire gets a command.
func (g *game) fire(*core.Delivery) {
	g.commands++
	g.burning = burst
}

func (g *game) land() {
	g.flying = false
	how := "crashed"
	if g.speed < 2*safe {
		how = "landed"
	}
	fmt.Printf("%s at %.1f m/s after %d frames and %d commands\n", how, g.speed, g.frames, g.commands)
	g.fail(g.amqp.Close(wire.ReplySuccess, "game over"))
}

// fail ends the game for an error. The loop goes on until the connection is
// closed.
func (g *game) fail(err error) {
	if err == nil || g.err != nil {
		return
	}
	g.flying, g.err = false, err
	_ = g.amqp.Close(wire.ReplySuccess, "giving up") // an error says that it is closed
}
