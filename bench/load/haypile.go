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

// readProperties decodes all of a message, and tells how many headers there were.
func readProperties(raw wire.RawProperties) (headers int, err error) {
	p, err := raw.Decode()
	return len(p.Headers), err
}
