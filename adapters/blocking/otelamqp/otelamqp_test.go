package otelamqp_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/blocking/otelamqp"
	"github.com/haypile/haypile/adapters/internal/fakebroker"
	"github.com/haypile/haypile/core/wire"
)

const bound = 2 * time.Minute

// world is a connection to a broker that hands back what it gets, with its
// properties, and the exporters of what is told.
type world struct {
	ctx    context.Context
	conn   *blocking.Conn
	ch     *blocking.Channel
	spans  *tracetest.InMemoryExporter
	tracer trace.Tracer
	meter  *metric.ManualReader
}

// patiently has what a busy machine keeps waiting wait for as long as tests do.
func patiently() blocking.Option {
	return blocking.WithParams(func(p *blocking.Params) {
		p.StackTimeout, p.Client.HandshakeTimeout, p.Client.CloseTimeout = bound, bound, bound
	})
}

func connect(t *testing.T) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	t.Cleanup(cancel)
	w := &world{ctx: ctx, spans: tracetest.NewInMemoryExporter(), meter: metric.NewManualReader()}
	tp := sdktrace.NewTracerProvider(sdktrace.WithSyncer(w.spans))
	w.tracer = tp.Tracer("test")
	addr := fakebroker.Start(t, func(_ int, s *fakebroker.Session) {
		if s.Handshake() {
			echo(s)
		}
	})
	var err error
	w.conn, err = blocking.Dial(ctx, "amqp://"+addr, blocking.WithRecovery(nil), patiently(), otelamqp.Instrument(otelamqp.Options{
		TracerProvider: tp,
		MeterProvider:  metric.NewMeterProvider(metric.WithReader(w.meter)),
		Propagator:     propagation.TraceContext{},
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.conn.Close(ctx) })
	if w.ch, err = w.conn.Channel(ctx); err != nil {
		t.Fatal(err)
	}
	return w
}

// echo confirms and keeps messages, but nacks those with the key "bad", and
// delivers what it has to each consumer.
func echo(s *fakebroker.Session) {
	type message struct {
		wire.BasicPublish
		props wire.RawProperties
		body  string
	}
	var kept []message
	tag := uint64(0)
	s.Serve(func(m wire.Method, n uint16, body []byte) {
		switch m := m.(type) {
		case *wire.ConfirmSelect:
			s.Send(n, &wire.ConfirmSelectOk{})
		case *wire.BasicQos:
			s.Send(n, &wire.BasicQosOk{})
		case *wire.BasicCancel:
			s.Send(n, &wire.BasicCancelOk{ConsumerTag: m.ConsumerTag})
		case *wire.QueueDeclare:
			s.Send(n, &wire.ChannelClose{ReplyCode: wire.NotFound, ReplyText: "NOT_FOUND"})
		case *wire.BasicPublish:
			tag++
			if m.RoutingKey == "bad" {
				s.Send(n, &wire.BasicNack{DeliveryTag: tag})
				return
			}
			kept = append(kept, message{*m, s.Properties, string(body)})
			s.Send(n, &wire.BasicAck{DeliveryTag: tag})
		case *wire.BasicConsume:
			s.Send(n, &wire.BasicConsumeOk{ConsumerTag: "tag"})
			for i, k := range kept {
				s.SendContent(n, &wire.BasicDeliver{ConsumerTag: "tag", DeliveryTag: uint64(i + 1), Exchange: k.Exchange, RoutingKey: k.RoutingKey}, k.props, k.body)
			}
		}
	})
}

// span is the one of that name.
func (w *world) span(t *testing.T, name string) tracetest.SpanStub {
	t.Helper()
	for _, s := range w.spans.GetSpans() {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no span %q", name)
	return tracetest.SpanStub{}
}

func attr(s tracetest.SpanStub, key string) any {
	for _, a := range s.Attributes {
		if string(a.Key) == key {
			return a.Value.AsInterface()
		}
	}
	return nil
}

func (w *world) publish(t *testing.T, ctx context.Context, p *blocking.Publishing) {
	t.Helper()
	if err := w.ch.PublishConfirm(ctx, p); err != nil {
		t.Fatal(err)
	}
}

func TestTraceGoesFromPublisherToConsumer(t *testing.T) {
	raw, err := (&blocking.Properties{MessageID: "m2", Headers: blocking.Table{"own": "kept"}}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	var own blocking.TableBuilder
	own.Add("own", "kept")
	headers, err := own.Table()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]*blocking.Publishing{
		"raw headers":    {Properties: &blocking.Properties{MessageID: "m3", RawHeaders: headers}},
		"properties":     {Properties: &blocking.Properties{MessageID: "m1", Headers: blocking.Table{"own": "kept"}}},
		"raw properties": {RawProperties: raw},
		"a message that is passed on": {Properties: &blocking.Properties{Headers: blocking.Table{
			"own": "kept", "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := connect(t)
			var before blocking.Table
			if test.Properties != nil {
				before = test.Properties.Headers.Clone()
			}
			test.Exchange, test.RoutingKey, test.Body = "orders", "new", []byte("body")
			ctx, root := w.tracer.Start(w.ctx, "request")
			w.publish(t, ctx, test)
			root.End()
			if p := test.Properties; p != nil && !maps.Equal(p.Headers, before) {
				t.Errorf("the caller's headers became %v", p.Headers)
			}
			ctx, around := w.tracer.Start(w.ctx, "worker")
			for d, err := range w.ch.Consume(ctx, &blocking.Consume{Queue: "jobs"}) {
				if err != nil {
					t.Fatal(err)
				}
				if h, _ := d.Properties.Headers(); h == nil {
					t.Error("the message has no headers")
				} else if v, ok, err := h.Lookup("own"); v != "kept" || !ok || err != nil {
					t.Errorf("the message's own header came as %v, %v, %v", v, ok, err)
				}
				_, inner := w.tracer.Start(d.Context(), "inner")
				inner.End()
				d.Ack()
				break
			}
			around.End()
			sent, got, inner := w.span(t, "publish orders:new"), w.span(t, "process orders:new:jobs"), w.span(t, "inner")
			if sent.Parent.SpanID() != root.SpanContext().SpanID() || sent.SpanKind != trace.SpanKindProducer {
				t.Errorf("publish: %v of kind %v", sent.Parent, sent.SpanKind)
			}
			if got.Parent.SpanID() != sent.SpanContext.SpanID() || !got.Parent.IsRemote() || got.SpanKind != trace.SpanKindConsumer {
				t.Errorf("process: %v of kind %v", got.Parent, got.SpanKind)
			}
			if len(got.Links) != 1 || got.Links[0].SpanContext.SpanID() != around.SpanContext().SpanID() {
				t.Errorf("process is linked to %v", got.Links)
			}
			if inner.Parent.SpanID() != got.SpanContext.SpanID() {
				t.Error("what the program does is not part of the process span")
			}
			for key, want := range map[string]any{
				"messaging.system": "rabbitmq", "messaging.operation.name": "publish", "messaging.operation.type": "send",
				"messaging.destination.name": "orders:new", "messaging.rabbitmq.destination.routing_key": "new",
				"messaging.message.body.size": int64(4), "server.address": "127.0.0.1",
			} {
				if v := attr(sent, key); v != want {
					t.Errorf("publish: %s is %v", key, v)
				}
			}
			for key, want := range map[string]any{
				"messaging.operation.name": "process", "messaging.operation.type": "process",
				"messaging.destination.name": "orders:new:jobs", "messaging.rabbitmq.message.delivery_tag": int64(1),
			} {
				if v := attr(got, key); v != want {
					t.Errorf("process: %s is %v", key, v)
				}
			}
			if len(got.Events) != 1 || got.Events[0].Name != "acked" {
				t.Errorf("process has the events %v", got.Events)
			}
		})
	}
}

func TestMessageWithoutNeedOfAnAckEndsItsSpanAtOnce(t *testing.T) {
	w := connect(t)
	w.publish(t, w.ctx, &blocking.Publishing{RoutingKey: "jobs"})
	for _, err := range w.ch.Consume(w.ctx, &blocking.Consume{Queue: "jobs", NoAck: true}) {
		if err != nil {
			t.Fatal(err)
		}
		w.span(t, "process jobs")
		break
	}
}

func TestFailuresAreErrorsOfTheirSpans(t *testing.T) {
	w := connect(t)
	if err := w.ch.PublishConfirm(w.ctx, &blocking.Publishing{RoutingKey: "bad"}); !errors.Is(err, blocking.ErrNacked) {
		t.Fatal(err)
	}
	if _, err := w.ch.QueueDeclare(w.ctx, &blocking.QueueDeclare{Queue: "q"}); !errors.Is(err, blocking.NotFound) {
		t.Fatal(err)
	}
	<-w.ch.Done()
	if err := w.ch.Publish(w.ctx, &blocking.Publishing{}); !errors.Is(err, blocking.ErrClosed) {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"publish bad": "nacked", "queue.declare": "NOT_FOUND", "publish amq.default": "NOT_FOUND"} {
		if s := w.span(t, name); s.Status.Code != codes.Error || attr(s, "error.type") != want {
			t.Errorf("%s: %v, %v", name, s.Status, attr(s, "error.type"))
		}
	}
}

// collect is the sums and the counts of histograms, by the metric's name.
func (w *world) collect(t *testing.T) map[string]int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := w.meter.Collect(w.ctx, &all); err != nil {
		t.Fatal(err)
	}
	found := map[string]int64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			found[m.Name] = 0
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					found[m.Name] += p.Value
					if v, ok := p.Attributes.Value("network.io.direction"); ok {
						found[m.Name+" "+v.AsString()] += p.Value
					}
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					found[m.Name] += int64(p.Count)
					if slices.Contains(p.Attributes.ToSlice(), attribute.String("error.type", "nacked")) {
						found[m.Name+" nacked"] += int64(p.Count)
					}
				}
			}
		}
	}
	return found
}

func TestMetricsTellOperationsAndStatistics(t *testing.T) {
	w := connect(t)
	for range 3 {
		w.publish(t, w.ctx, &blocking.Publishing{RoutingKey: "jobs"})
	}
	_ = w.ch.PublishConfirm(w.ctx, &blocking.Publishing{RoutingKey: "bad"})
	n := 0
	for d, err := range w.ch.Consume(w.ctx, &blocking.Consume{Queue: "jobs"}) {
		if err != nil {
			t.Fatal(err)
		}
		d.Ack()
		if n++; n == 2 {
			break
		}
	}
	got := w.collect(t)
	for name, want := range map[string]int64{
		"messaging.client.sent.messages": 4, "messaging.client.consumed.messages": 2, "messaging.process.duration": 2,
		"messaging.client.operation.duration": 4, "messaging.client.operation.duration nacked": 1,
		"amqp.client.connections": 1, "amqp.client.channels": 1, "amqp.client.blocked": 0,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %d, %v, want %d", name, v, ok, want)
		}
	}
	if got["amqp.client.io transmit"] < 100 || got["amqp.client.io receive"] < 100 {
		t.Errorf("bytes: %v", got)
	}
	if err := w.conn.Close(w.ctx); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(bound); ; time.Sleep(time.Millisecond) {
		after := w.collect(t)
		if after["amqp.client.connections"] == 0 && after["amqp.client.channels"] == 0 {
			if after["amqp.client.io"] < got["amqp.client.io"] {
				t.Errorf("the count of bytes fell from %d to %d", got["amqp.client.io"], after["amqp.client.io"])
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after the end: %v", after)
		}
	}
}
