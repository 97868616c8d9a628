package main

import (
	"time"

	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/core/wire"
)

// haypileParams are those of both APIs.
func haypileParams(j *job) (driver.Params, error) {
	params, err := driver.ParseURI(j.url)
	if err != nil {
		return params, err
	}
	params.StackTimeout = time.Minute // thousands may connect at once
	params.LatencyBudget = max(params.LatencyBudget, j.budget)
	params.Client.Heartbeat = j.heartbeat
	params.Client.MaxBuffered = j.buffered
	if config := j.tlsConfig(); config != nil {
		params.TLS = config
	}
	return params, nil
}

// haypileProperties are the seven properties and five headers of a message that has
// some, the same as sink.Properties.
func haypileProperties() *wire.Properties {
	return &wire.Properties{
		ContentType: "application/json", DeliveryMode: wire.Persistent, MessageID: "0123456789", CorrelationID: "abcdefgh",
		AppID: "bench", Type: "order.created", ReplyTo: "replies",
		Headers: wire.Table{"a": int32(1), "b": "two", "c": true, "d": 4.5, "e": "five"},
	}
}

// haypileReused is the memory of such a message, for who publishes many.
type haypileReused struct {
	props   wire.Properties
	headers wire.TableBuilder
}

// properties are those of haypileProperties, until the next call.
func (m *haypileReused) properties() (*wire.Properties, error) {
	m.headers.Reset()
	m.headers.Add("a", int32(1))
	m.headers.Add("b", "two")
	m.headers.Add("c", true)
	m.headers.Add("d", 4.5)
	m.headers.Add("e", "five")
	headers, err := m.headers.Table()
	m.props = wire.Properties{
		ContentType: "application/json", DeliveryMode: wire.Persistent, MessageID: "0123456789", CorrelationID: "abcdefgh",
		AppID: "bench", Type: "order.created", ReplyTo: "replies",
		RawHeaders: headers,
	}
	return &m.props, err
}

// readProperties decodes all of a message, and tells how many headers there were.
func readProperties(raw wire.RawProperties) (headers int, err error) {
	p, err := raw.Decode()
	return len(p.Headers), err
}

// order is what a program wants of such a message, as long as that lasts.
type order struct {
	contentType, messageID, correlationID, appID, kind, replyTo []byte
	mode                                                        uint8
	a                                                           int64
	b, e                                                        []byte
	c                                                           bool
	d                                                           float64
}

// read takes all of a message, and tells how many headers there were.
func (o *order) read(raw wire.RawProperties) (headers int, err error) {
	o.contentType, _ = raw.Field(wire.HasContentType)
	o.messageID, _ = raw.Field(wire.HasMessageID)
	o.correlationID, _ = raw.Field(wire.HasCorrelationID)
	o.appID, _ = raw.Field(wire.HasAppID)
	o.kind, _ = raw.Field(wire.HasType)
	o.replyTo, _ = raw.Field(wire.HasReplyTo)
	o.mode, _ = raw.DeliveryMode()
	table, _ := raw.Headers()
	for h, err := range table.All() {
		if err != nil {
			return headers, err
		}
		ok := false
		switch string(h.Key) {
		case "a":
			o.a, ok = h.Value.Int64()
		case "b":
			o.b, ok = h.Value.Bytes()
		case "c":
			o.c, ok = h.Value.Bool()
		case "d":
			o.d, ok = h.Value.Float64()
		case "e":
			o.e, ok = h.Value.Bytes()
		}
		if ok {
			headers++
		}
	}
	return headers, nil
}
