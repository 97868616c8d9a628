package main

import (
	"slices"

	"github.com/haypile/haypile/bench/internal/loops"
)

// row is a kind of message.
type row struct {
	name  string
	mode  string
	args  []string
	n     int      // messages of a measurement
	least int      // however quick
	among []string // names of haypile's subjects that do it; nil: all
}

func newRow(name, mode string, n int, args ...string) row {
	return row{name: name, mode: mode, n: n, args: append([]string{"-mode", mode}, args...)}
}

// subject is who is measured.
type subject struct {
	name    string
	api     string // of haypile
	adapter string // of haypile
	args    []string
	slow    bool // costs so much that fewer messages do
	budget  bool // has a latency budget
}

// does tells whether the subject has the row.
func (s subject) does(r row) bool {
	switch {
	case isHaypile(s) && r.among != nil && !slices.Contains(r.among, s.name):
		return false
	case s.budget:
		return slices.Contains(budgetModes, r.mode)
	case s.api == "callback":
		return r.mode != "publish-parallel"
	case s.api == "copy":
		return slices.Contains([]string{"consume-auto", "consume-props", "consume-ack", "consume-multi"}, r.mode)
	}
	return true
}

// Subjects that are not haypile.
var (
	floor     = subject{name: "floor", args: []string{"-peer", "floor", "-api", "callback"}}
	floorCopy = subject{name: "floor with a copy", api: "copy", args: []string{"-peer", "floor", "-api", "blocking"}}
	amqp091   = subject{name: "amqp091-go", args: []string{"-peer", "amqp091"}, slow: true}
)

// haypile is it on an adapter, by one of its APIs.
func haypile(api, adapter string) subject {
	return subject{name: api + " on " + adapter, api: api, adapter: adapter, args: []string{"-api", api, "-adapter", adapter}}
}

// everywhere is haypile on all adapters.
func everywhere(api string) (all []subject) {
	for _, adapter := range loops.Names {
		all = append(all, haypile(api, adapter))
	}
	return all
}

// sizes of a body.
var sizes = []struct {
	name, bytes string
	part        int // how many times fewer messages than the smallest
}{{"64 B", "64", 1}, {"1 KiB", "1024", 3}, {"64 KiB", "65536", 25}, {"1 MiB", "1048576", 500}}

// reused is the row of bodies that share memory, as callbacks' always do.
const reused = "consume-auto 1 MiB, reused"

// builtProps is the row of headers that are appended to memory used before, as those of
// callbacks always are, rather than made as a map.
const builtProps = "publish-props, no map"

// sinkRows are measured against the sink.
func sinkRows() []row {
	var rows []row
	for _, mode := range []string{"publish", "consume-auto"} {
		for _, s := range sizes {
			rows = append(rows, newRow(mode+" "+s.name, mode, 300_000/s.part, "-size", s.bytes))
		}
	}
	lent := newRow(reused, "consume-auto", 300_000/500, "-size", "1048576", "-reuse")
	built := newRow(builtProps, "publish-props", 150_000, "-reuse")
	for _, s := range append(everywhere("blocking"), amqp091) {
		lent.among = append(lent.among, s.name)
		built.among = append(built.among, s.name)
	}
	return append(rows,
		lent,
		newRow("publish-props", "publish-props", 150_000),
		built,
		newRow("publish-confirm", "publish-confirm", 200_000),
		newRow("publish-parallel", "publish-parallel", 300_000),
		newRow("consume-props, unread", "consume-props", 200_000),
		newRow("consume-props, all read", "consume-props", 100_000, "-read"),
		newRow("consume-ack", "consume-ack", 200_000),
		newRow("consume-multi", "consume-multi", 200_000),
		newRow("rpc", "rpc", 4_000),
		newRow("pingpong", "pingpong", 4_000),
	)
}

// rabbitRows are measured against RabbitMQ, larger bodies on the adapter alone that
// took least for them against the sink: a broker that takes most of the time shows
// less of how adapters differ.
func rabbitRows(sink *table) []row {
	var rows []row
	for _, mode := range []string{"publish", "consume-auto"} {
		for i, s := range sizes {
			r := newRow(mode+" "+s.name, mode, max(30_000/s.part, 60), "-size", s.bytes)
			if i > 0 {
				r.among = []string{sink.cheapest(r, "blocking"), sink.cheapest(r, "callback")}
			}
			rows = append(rows, r)
		}
	}
	return append(rows,
		newRow("publish-props", "publish-props", 15_000),
		newRow("publish-confirm", "publish-confirm", 30_000),
		newRow("publish-parallel", "publish-parallel", 20_000),
		newRow("consume-props, unread", "consume-props", 15_000),
		newRow("consume-ack", "consume-ack", 30_000),
		newRow("consume-multi", "consume-multi", 15_000),
		newRow("rpc", "rpc", 1_500),
		newRow("pingpong", "pingpong", 1_500),
	)
}

// cheapest is the name of the subject whose adapter took least, or that of the
// default adapter where none was measured.
func (t *table) cheapest(r row, api string) string {
	if t != nil {
		if c, ok := t.goalCell(r, api); ok {
			return haypile(api, c.adapter).name
		}
	}
	return haypile(api, loops.Names[0]).name
}

func (b *bench) sink(r *report) (err error) {
	subjects := slices.Concat([]subject{floor, floorCopy, amqp091}, everywhere("blocking"), everywhere("callback"))
	r.sink, err = b.fill(sinkRows(), subjects, b.rounds)
	return err
}

func (b *bench) idle(r *report) (err error) {
	n, hold := most(10_000), "10s" // two heartbeats of each
	if b.quick {
		n, hold = most(1_000), "1s"
	}
	idle := newRow("idle", "idle", n, "-hold", hold)
	idle.least = n
	subjects := slices.Concat([]subject{{name: amqp091.name, args: amqp091.args}, haypile("blocking", "stdnet")}, everywhere("callback"))
	r.idle, err = b.fill([]row{idle}, subjects, 1)
	return err
}
