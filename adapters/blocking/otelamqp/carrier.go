package otelamqp

import (
	"maps"
	"slices"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/core/wire"
)

// headers are a message's, as a propagator wants them.
type headers blocking.Table

// Get implements propagation.TextMapCarrier.
func (h headers) Get(key string) string {
	s, _ := h[key].(string)
	return s
}

// Set implements propagation.TextMapCarrier.
func (h headers) Set(key, value string) { h[key] = value }

// Keys implements propagation.TextMapCarrier.
func (h headers) Keys() []string { return slices.Sorted(maps.Keys(h)) }

// withHeaders is a copy of a message with headers of its own, to which more can be
// added; false when its properties cannot be read.
func withHeaders(p *blocking.Publishing) (*blocking.Publishing, headers, bool) {
	var props blocking.Properties
	switch {
	case p.Properties != nil:
		props = *p.Properties
	case p.RawProperties != nil:
		var err error
		if props, err = p.RawProperties.Decode(); err != nil {
			return p, nil, false
		}
	}
	if props.RawHeaders != nil && props.Headers == nil {
		var err error
		if props.Headers, err = props.RawHeaders.Decode(wire.Limits{}); err != nil {
			return p, nil, false
		}
		props.RawHeaders = nil
	}
	props.Headers = maps.Clone(props.Headers)
	if props.Headers == nil {
		props.Headers = blocking.Table{}
	}
	copied := *p
	copied.Properties, copied.RawProperties = &props, nil
	return &copied, headers(props.Headers), true
}

// headersOf are those of a delivery; none if there are none that can be read.
func headersOf(d *blocking.Delivery) headers {
	raw, ok := d.Properties.Headers()
	if !ok {
		return nil
	}
	table, err := raw.Decode(wire.Limits{})
	if err != nil {
		return nil
	}
	return headers(table)
}
