package otelamqp

import (
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.40.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/haypile/haypile/adapters/blocking"
)

const scope = "github.com/haypile/haypile/adapters/blocking/otelamqp"

// Options say where spans and metrics go. Zero fields mean OpenTelemetry's global
// ones, as they are when Instrument is called.
type Options struct {
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider
	// Propagator writes a trace's context into the headers of messages, and reads
	// it from them.
	Propagator propagation.TextMapPropagator
}

// Instrument is an option for blocking.Dial and its like. One may serve any number
// of connections. Metrics that cannot be made are left out, and reported to
// OpenTelemetry's error handler.
func Instrument(o Options) blocking.Option {
	if o.TracerProvider == nil {
		o.TracerProvider = otel.GetTracerProvider()
	}
	if o.MeterProvider == nil {
		o.MeterProvider = otel.GetMeterProvider()
	}
	if o.Propagator == nil {
		o.Propagator = otel.GetTextMapPropagator()
	}
	meter := o.MeterProvider.Meter(scope, metric.WithSchemaURL(semconv.SchemaURL))
	i := &instruments{
		tracer:     o.TracerProvider.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL)),
		propagator: o.Propagator,
		metrics:    newMetrics(meter),
		gauges:     newGauges(meter),
	}
	return blocking.WithHooks(blocking.Hooks{
		Open:    i.gauges.add,
		Close:   func(c *blocking.Conn, _ error) { i.gauges.remove(c) },
		Publish: i.publish,
		Deliver: i.deliver,
		Settle:  i.settle,
		Call:    i.call,
	})
}

// instruments are what hooks write to.
type instruments struct {
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator
	metrics    metrics
	gauges     *gauges
}
