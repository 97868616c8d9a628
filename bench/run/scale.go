package main

import (
	"errors"
	"strconv"

	"github.com/haypile/haypile/bench/internal/files"
)

// curve is how the cost of a message grows with something.
type curve struct {
	name, axis string
	points     []int
	subjects   []subject
	rowAt      func(x int) row
	table      *table
}

// at is the row of a point.
func (c *curve) at(x int) row {
	r := c.rowAt(x)
	r.name = strconv.Itoa(x)
	return r
}

// fewestEach is how many messages each of many connections, channels or consumers
// moves at least, so that to begin and to end is no large part of what they cost.
const fewestEach = 200

// curves are those that are measured.
func curves() []*curve {
	blocking, callback := haypile("blocking", "stdnet"), haypile("callback", "gnet")
	both := []subject{amqp091, blocking, callback, haypile("callback", "ioloop")}
	plain := func(mode, flag string, n int) func(int) row {
		return func(x int) row {
			r := newRow("", mode, n, flag, strconv.Itoa(x))
			r.least = fewestEach * x
			return r
		}
	}
	return []*curve{
		{name: "connections", axis: "connections on one loop, publish 64 B", points: []int{1, 10, 100, 1000, 5000, most(20_000)}, subjects: []subject{blocking, callback, haypile("callback", "ioloop")}, rowAt: plain("publish", "-conns", 1_000_000)},
		{name: "channels", axis: "channels, publish 64 B", points: []int{1, 10, 100, 1000, 2047}, subjects: both, rowAt: plain("publish", "-channels", 400_000)},
		{name: "publishers", axis: "goroutines that publish 64 B", points: []int{1, 8, 64, 512}, subjects: []subject{amqp091, blocking, haypile("blocking", "gnet")}, rowAt: plain("publish-parallel", "-publishers", 400_000)},
		{name: "confirms", axis: "outstanding confirms, publish 64 B", points: []int{1, 10, 100, 1000, 10_000, 100_000, 1_000_000}, subjects: both, rowAt: confirmRow},
		{name: "consumers", axis: "consumers on a connection, 64 B", points: []int{1, 10, 100, 1000}, subjects: both, rowAt: plain("consume-auto", "-consumers", 400_000)},
		{name: "publish-size", axis: "bytes of a body that is published", points: bodies, subjects: both, rowAt: bodyRow("publish")},
		{name: "consume-size", axis: "bytes of a body that is consumed", points: bodies, subjects: both, rowAt: bodyRow("consume-auto")},
	}
}

// most is how many connections of those a process may have descriptors for.
func most(connections int) int {
	const others = 100
	return min(connections, files.Raise()-others)
}

// confirmRow has the sink hold back as many confirms as may be outstanding.
func confirmRow(x int) row {
	n := 200_000
	if x < 100 {
		n = 3_000 * x
	}
	r := newRow("", "publish-confirm", n, "-window", strconv.Itoa(x), "-vhost", "hold"+strconv.Itoa(x))
	r.least = x
	return r
}

var bodies = []int{0, 64, 1 << 10, 16 << 10, 256 << 10, 4 << 20, 64 << 20}

// bodyRow moves about as many bytes whatever their parts.
func bodyRow(mode string) func(int) row {
	return func(x int) row {
		const all = 256 << 20
		r := newRow("", mode, min(400_000, max(8, all/max(x, 1))), "-size", strconv.Itoa(x))
		r.least = 8
		return r
	}
}

// scale measures all curves, also behind one that failed.
func (b *bench) scale(r *report) error {
	var errs []error
	for _, c := range curves() {
		if !b.only.MatchString(c.name) {
			continue
		}
		whole := *b
		p := *b.plan
		p.only = everything
		whole.plan = &p
		var rows []row
		for _, x := range c.points {
			rows = append(rows, c.at(x))
		}
		var err error
		c.table, err = whole.fill(rows, c.subjects, 1)
		b.runs = whole.runs
		errs = append(errs, err)
		r.curves = append(r.curves, c)
		if b.ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}
