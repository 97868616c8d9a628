package otelamqp

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.40.0"
	"go.opentelemetry.io/otel/semconv/v1.40.0/messagingconv"

	"github.com/haypile/haypile/adapters/blocking"
)

// metrics are those of single operations.
type metrics struct {
	sent     messagingconv.ClientSentMessages
	consumed messagingconv.ClientConsumedMessages
	duration messagingconv.ClientOperationDuration
	process  messagingconv.ProcessDuration
}

func newMetrics(m metric.Meter) (all metrics) {
	var errs [4]error
	all.sent, errs[0] = messagingconv.NewClientSentMessages(m)
	all.consumed, errs[1] = messagingconv.NewClientConsumedMessages(m)
	all.duration, errs[2] = messagingconv.NewClientOperationDuration(m)
	all.process, errs[3] = messagingconv.NewProcessDuration(m)
	handle(errs[:]...)
	return all
}

func handle(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		otel.Handle(err)
	}
}

var system = messagingconv.SystemRabbitMQ

func (m *metrics) published(ctx context.Context, exchange string, took time.Duration, err error) {
	attrs := about(exchange, err, semconv.MessagingOperationTypeSend)
	m.sent.Add(ctx, 1, opPublish, system, about(exchange, err)...)
	m.duration.Record(ctx, took.Seconds(), opPublish, system, attrs...)
}

func (m *metrics) delivered(ctx context.Context, queue string) {
	m.consumed.Add(ctx, 1, opProcess, system, semconv.MessagingDestinationName(queue))
}

func (m *metrics) processed(ctx context.Context, queue string, took time.Duration, err error) {
	m.process.Record(ctx, took.Seconds(), opProcess, system, about(queue, err)...)
}

func (m *metrics) called(ctx context.Context, name string, took time.Duration, err error) {
	m.duration.Record(ctx, took.Seconds(), name, system, about("", err)...)
}

// about is the attributes of an operation.
func about(destination string, err error, more ...attribute.KeyValue) []attribute.KeyValue {
	if destination != "" {
		more = append(more, semconv.MessagingDestinationName(destination))
	}
	if err != nil {
		more = append(more, semconv.ErrorTypeKey.String(errorType(err)))
	}
	return more
}

// gauges observe the statistics of all open connections. Counters keep what closed
// ones have counted.
type gauges struct {
	mu     sync.Mutex
	conns  map[*blocking.Conn]attribute.Set // with the server of each
	closed map[attribute.Set]blocking.Stats

	all                                           []metric.Observable
	connections, channels, consumers              metric.Int64ObservableUpDownCounter
	unconfirmed, unsettled, inbox, buffered, held metric.Int64ObservableUpDownCounter
	recoveries, io                                metric.Int64ObservableCounter
}

func newGauges(m metric.Meter) *gauges {
	g := &gauges{conns: map[*blocking.Conn]attribute.Set{}, closed: map[attribute.Set]blocking.Stats{}}
	level := func(to *metric.Int64ObservableUpDownCounter, name, unit, text string) {
		var err error
		*to, err = m.Int64ObservableUpDownCounter("amqp.client."+name, metric.WithUnit(unit), metric.WithDescription(text))
		handle(err)
		g.all = append(g.all, *to)
	}
	level(&g.connections, "connections", "{connection}", "Connections that have not ended.")
	level(&g.channels, "channels", "{channel}", "Channels that are open.")
	level(&g.consumers, "consumers", "{consumer}", "Consumers.")
	level(&g.unconfirmed, "unconfirmed", "{message}", "Published messages that the broker has not confirmed yet.")
	level(&g.unsettled, "unsettled", "{message}", "Delivered messages that wait for their ack.")
	level(&g.inbox, "inbox", "{message}", "Delivered messages that wait for the program to look at them.")
	level(&g.buffered, "buffered", "By", "Bytes that wait to be sent.")
	level(&g.held, "blocked", "{connection}", "Connections on which the broker has blocked publishing.")
	count := func(to *metric.Int64ObservableCounter, name, unit, text string) {
		var err error
		*to, err = m.Int64ObservableCounter("amqp.client."+name, metric.WithUnit(unit), metric.WithDescription(text))
		handle(err)
		g.all = append(g.all, *to)
	}
	count(&g.recoveries, "recoveries", "{recovery}", "Times that a lost connection came back.")
	count(&g.io, "io", "By", "Bytes sent and received.")
	_, err := m.RegisterCallback(g.observe, g.all...)
	handle(err)
	return g
}

func (g *gauges) add(c *blocking.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.conns[c] = attribute.NewSet(server(c)...)
}

func (g *gauges) remove(c *blocking.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	where, ok := g.conns[c]
	if ok {
		g.closed[where] = g.closed[where].Add(c.Stats())
		delete(g.conns, c)
	}
}

var (
	transmit = attribute.String("network.io.direction", "transmit")
	receive  = attribute.String("network.io.direction", "receive")
)

// sums adds up what there is for each server.
func (g *gauges) sums() (stats map[attribute.Set]blocking.Stats, open, blocked map[attribute.Set]int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	stats, open, blocked = map[attribute.Set]blocking.Stats{}, map[attribute.Set]int64{}, map[attribute.Set]int64{}
	for where, s := range g.closed {
		stats[where] = s
	}
	for c, where := range g.conns {
		s := c.Stats()
		stats[where] = stats[where].Add(s)
		open[where]++
		if s.Blocked {
			blocked[where]++
		}
	}
	return stats, open, blocked
}

func (g *gauges) observe(_ context.Context, o metric.Observer) error {
	stats, open, blocked := g.sums()
	for where, s := range stats {
		at := metric.WithAttributeSet(where)
		o.ObserveInt64(g.connections, open[where], at)
		o.ObserveInt64(g.channels, int64(s.Channels), at)
		o.ObserveInt64(g.consumers, int64(s.Consumers), at)
		o.ObserveInt64(g.unconfirmed, int64(s.Unconfirmed), at)
		o.ObserveInt64(g.unsettled, int64(s.Unsettled), at)
		o.ObserveInt64(g.inbox, int64(s.Inbox), at)
		o.ObserveInt64(g.buffered, int64(s.Buffered), at)
		o.ObserveInt64(g.held, blocked[where], at)
		o.ObserveInt64(g.recoveries, int64(s.Recoveries), at)
		o.ObserveInt64(g.io, int64(s.BytesSent), at, metric.WithAttributes(transmit))
		o.ObserveInt64(g.io, int64(s.BytesReceived), at, metric.WithAttributes(receive))
	}
	return nil
}
