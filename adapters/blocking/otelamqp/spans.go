package otelamqp

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.40.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/haypile/haypile/adapters/blocking"
)

const (
	opPublish = "publish"
	opProcess = "process"
)

// publish is the hook for a message that goes out.
func (i *instruments) publish(ctx context.Context, ch *blocking.Channel, p *blocking.Publishing) (*blocking.Publishing, func(error)) {
	begin := time.Now()
	destination := orDefaultExchange(joined(p.Exchange, p.RoutingKey))
	ctx, span := i.tracer.Start(ctx, opPublish+" "+destination, trace.WithSpanKind(trace.SpanKindProducer), trace.WithTimestamp(begin))
	if span.IsRecording() {
		span.SetAttributes(
			semconv.MessagingSystemRabbitMQ, semconv.MessagingOperationName(opPublish), semconv.MessagingOperationTypeSend,
			semconv.MessagingDestinationName(destination), semconv.MessagingMessageBodySize(len(p.Body)))
		span.SetAttributes(server(ch.Conn())...)
		span.SetAttributes(routingKey(p.RoutingKey)...)
		if p.Properties != nil {
			span.SetAttributes(identity(p.Properties.MessageID, p.Properties.CorrelationID)...)
		}
	}
	send := p
	if changed, h, ok := withHeaders(p); ok {
		if i.propagator.Inject(ctx, h); len(h) > 0 {
			send = changed
		}
	}
	return send, func(err error) {
		end(span, err)
		i.metrics.published(ctx, orDefaultExchange(p.Exchange), time.Since(begin), err)
	}
}

// processing is a message that the program has, kept in its context.
type processing struct {
	span  trace.Span
	begin time.Time
	queue string
}

type processingKey struct{}

// deliver is the hook for a message that the program gets.
func (i *instruments) deliver(ctx context.Context, queue string, d *blocking.Delivery) context.Context {
	p := &processing{begin: time.Now(), queue: queue}
	destination := orDefaultExchange(joined(d.Exchange, d.RoutingKey, queue))
	if d.RoutingKey == queue {
		destination = orDefaultExchange(joined(d.Exchange, queue))
	}
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindConsumer), trace.WithTimestamp(p.begin)}
	parent := ctx
	if h := headersOf(d); h != nil {
		parent = i.propagator.Extract(ctx, h)
	}
	if around := trace.SpanContextFromContext(ctx); around.IsValid() && !around.Equal(trace.SpanContextFromContext(parent)) {
		options = append(options, trace.WithLinks(trace.Link{SpanContext: around}))
	}
	ctx, p.span = i.tracer.Start(parent, opProcess+" "+destination, options...)
	if p.span.IsRecording() {
		p.span.SetAttributes(
			semconv.MessagingSystemRabbitMQ, semconv.MessagingOperationName(opProcess), semconv.MessagingOperationTypeProcess,
			semconv.MessagingDestinationName(destination), semconv.MessagingMessageBodySize(len(d.Body)),
			semconv.MessagingRabbitMQMessageDeliveryTag(int(d.DeliveryTag)))
		p.span.SetAttributes(server(d.Channel().Conn())...)
		p.span.SetAttributes(routingKey(d.RoutingKey)...)
		id, _ := d.Properties.MessageID()
		correlation, _ := d.Properties.CorrelationID()
		p.span.SetAttributes(identity(id, correlation)...)
	}
	i.metrics.delivered(ctx, queue)
	if d.Settled() {
		p.span.End()
		return ctx
	}
	return context.WithValue(ctx, processingKey{}, p)
}

// settle is the hook for a message that is acked or refused.
func (i *instruments) settle(d *blocking.Delivery, how blocking.Settlement, err error) {
	p, _ := d.Context().Value(processingKey{}).(*processing)
	if p == nil {
		return // of a message that needs no ack
	}
	p.span.AddEvent(how.String())
	end(p.span, err)
	i.metrics.processed(d.Context(), p.queue, time.Since(p.begin), err)
}

// call is the hook for a request.
func (i *instruments) call(ctx context.Context, ch *blocking.Channel, method blocking.MethodID) func(error) {
	begin := time.Now()
	name := method.String()
	ctx, span := i.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(begin))
	span.SetAttributes(semconv.MessagingSystemRabbitMQ, semconv.MessagingOperationName(name))
	span.SetAttributes(server(ch.Conn())...)
	if name == "basic.get" {
		span.SetAttributes(semconv.MessagingOperationTypeReceive)
	}
	return func(err error) {
		end(span, err)
		i.metrics.called(ctx, name, time.Since(begin), err)
	}
}

func end(span trace.Span, err error) {
	if err != nil {
		span.SetAttributes(semconv.ErrorTypeKey.String(errorType(err)))
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}

// errorType is one of a few words for an error.
func errorType(err error) string {
	var said *blocking.Error
	switch {
	case errors.Is(err, blocking.ErrNacked):
		return "nacked"
	case errors.Is(err, blocking.ErrUnroutable):
		return "unroutable"
	case errors.Is(err, blocking.ErrStaleDelivery):
		return "stale_delivery"
	case errors.As(err, &said):
		return said.Code.String()
	case errors.Is(err, blocking.ErrUnknownOutcome):
		return "unknown_outcome"
	case errors.Is(err, blocking.ErrClosed):
		return "closed"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	}
	return semconv.ErrorType(err).Value.AsString()
}

// joined is the destination as the conventions want it: the parts that are not
// empty, with colons.
func joined(parts ...string) string {
	var some []string
	for _, part := range parts {
		if part != "" {
			some = append(some, part)
		}
	}
	return strings.Join(some, ":")
}

func orDefaultExchange(name string) string {
	if name == "" {
		return "amq.default"
	}
	return name
}

func routingKey(key string) []attribute.KeyValue {
	if key == "" {
		return nil
	}
	return []attribute.KeyValue{semconv.MessagingRabbitMQDestinationRoutingKey(key)}
}

func identity(id, correlation string) (attrs []attribute.KeyValue) {
	if id != "" {
		attrs = append(attrs, semconv.MessagingMessageID(id))
	}
	if correlation != "" {
		attrs = append(attrs, semconv.MessagingMessageConversationID(correlation))
	}
	return attrs
}

// server is where a connection goes.
func server(c *blocking.Conn) []attribute.KeyValue {
	switch addr := c.RemoteAddr().(type) {
	case nil:
		return nil
	case *net.TCPAddr:
		return []attribute.KeyValue{semconv.ServerAddress(addr.IP.String()), semconv.ServerPort(addr.Port)}
	default:
		return []attribute.KeyValue{semconv.ServerAddress(addr.String())}
	}
}
