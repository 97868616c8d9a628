package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
)

// point is a state of the broker in which messages are measured.
type point struct {
	depth     int // messages in front
	bindings  int // of the topic exchange, of which a message matches one
	consumers int
}

// points are curves that leave all but one thing alone.
var points = []point{
	{0, 0, 1}, {1_000, 0, 1}, {100_000, 0, 1}, {1_000_000, 0, 1},
	{0, 1, 1}, {0, 100, 1}, {0, 10_000, 1},
	{0, 0, 10}, {0, 0, 100}, {0, 0, 1_000},
}

// curves prints what a message costs, from its publishing to its ack.
func curves(j job) error {
	if j.n == 0 {
		j.n = 100_000
	}
	p, err := startProcess(j.adapter)
	if err != nil {
		return err
	}
	defer p.stop()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "depth\tbindings\tconsumers\tus each\tbroker's CPU us each\t")
	if _, _, err := measure(p, j, points[0]); err != nil { // warms up
		return err
	}
	for _, at := range points {
		took, cpu, err := measure(p, j, at)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%d\t%d\t%d\t%.2f\t%.2f\t\n", at.depth, at.bindings, at.consumers, float64(took.Nanoseconds())/1e3/float64(j.n), float64(cpu)/float64(j.n))
	}
	return w.Flush()
}

// measure is a cycle at one point; cpu is in microseconds.
func measure(p *process, j job, at point) (took time.Duration, cpu int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	one, err := newPair(ctx, p.url, "curves", j.window)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, one.close(ctx)) }()
	if err := one.prepare(ctx, at, j); err != nil {
		return 0, 0, err
	}
	before, err := p.cpu()
	if err != nil {
		return 0, 0, err
	}
	window := j
	window.window = max(1, j.window/at.consumers)
	if took, err = cycle(ctx, []*pair{one}, window, at.consumers); err != nil {
		return 0, 0, err
	}
	after, err := p.cpu()
	return took, after - before, err
}

// prepare brings the broker to a point.
func (p *pair) prepare(ctx context.Context, at point, j job) error {
	for i := range at.bindings {
		key := fmt.Sprintf("shop.%d.order.%d", i%100, i)
		if i%2 == 1 {
			key = fmt.Sprintf("shop.*.order.%d", i)
		}
		if err := p.publisher.QueueBind(ctx, &blocking.QueueBind{Queue: p.queue, Exchange: "amq.topic", RoutingKey: key}); err != nil {
			return err
		}
	}
	if err := p.publish(ctx, at.depth, j.size); err != nil {
		return err
	}
	if at.bindings > 0 {
		p.exchange, p.key = "amq.topic", "shop.0.order.0"
	}
	return nil
}
