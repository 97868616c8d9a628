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
	n     int // messages of a measurement
	least int // however quick
}

func newRow(name, mode string, n int, args ...string) row {
	return row{name: name, mode: mode, n: n, args: append([]string{"-mode", mode}, args...)}
}

// subject is who is measured.
type subject struct {
	name   string
	api    string // of haypile
	args   []string
	slow   bool // costs so much that fewer messages do
	budget bool // has a latency budget
}

// does tells whether the subject has the row.
func (s subject) does(r row) bool {
	parallel := r.mode == "publish-parallel"
	switch s.api {
	case "callback":
		return !parallel
	case "copy":
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
	return subject{name: api + " on " + adapter, api: api, args: []string{"-api", api, "-adapter", adapter}}
}

// patient is haypile with a latency budget.
func patient(s subject) subject {
	s.name += ", 1 ms"
	s.args = append(s.args, "-budget", "1ms")
	s.budget = true
	return s
}

// everywhere is haypile on all adapters.
func everywhere(api string) (all []subject) {
	for _, adapter := range loops.Names {
		all = append(all, haypile(api, adapter))
	}
	return all
}

// sinkRows are measured against the sink.
func sinkRows() []row {
	sizes := []struct {
		name, bytes string
		part        int // how many times fewer messages than the smallest
	}{{"64 B", "64", 1}, {"1 KiB", "1024", 3}, {"64 KiB", "65536", 25}, {"1 MiB", "1048576", 500}}
	var rows []row
	for _, mode := range []string{"publish", "consume-auto"} {
		for _, s := range sizes {
			rows = append(rows, newRow(mode+" "+s.name, mode, 500_000/s.part, "-size", s.bytes))
		}
	}
	return append(rows,
		newRow("publish-props", "publish-props", 200_000),
		newRow("publish-confirm", "publish-confirm", 300_000),
		newRow("publish-parallel", "publish-parallel", 500_000),
		newRow("consume-props, unread", "consume-props", 300_000),
		newRow("consume-props, all read", "consume-props", 100_000, "-read"),
		newRow("consume-ack", "consume-ack", 300_000),
		newRow("consume-multi", "consume-multi", 300_000),
		newRow("rpc", "rpc", 6_000),
		newRow("pingpong", "pingpong", 6_000),
	)
}

// rabbitRows are measured against RabbitMQ.
func rabbitRows() []row {
	return []row{
		newRow("publish", "publish", 80_000),
		newRow("publish-confirm", "publish-confirm", 50_000),
		newRow("consume-auto", "consume-auto", 60_000),
		newRow("consume-ack", "consume-ack", 60_000),
		newRow("rpc", "rpc", 3_000),
		newRow("pingpong", "pingpong", 3_000),
	}
}

func (b *bench) sink(r *report) (err error) {
	subjects := slices.Concat([]subject{floor, floorCopy, amqp091}, everywhere("blocking"), everywhere("callback"))
	r.sink, err = b.fill(sinkRows(), subjects, b.rounds)
	return err
}

func (b *bench) idle(r *report) (err error) {
	n, hold := most(10_000), "16s"
	if b.quick {
		n, hold = most(2_000), "1s"
	}
	idle := newRow("idle", "idle", n, "-hold", hold)
	idle.least = n
	subjects := slices.Concat([]subject{{name: amqp091.name, args: amqp091.args}, haypile("blocking", "stdnet")}, everywhere("callback"))
	r.idle, err = b.fill([]row{idle}, subjects, 1)
	return err
}
