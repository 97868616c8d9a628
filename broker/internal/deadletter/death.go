package deadletter

import (
	"slices"
	"time"

	"github.com/haypile/haypile/broker/internal/queue"
	"github.com/haypile/haypile/core/wire"
)

// The headers.
const (
	header       = "x-death"
	firstPrefix  = "x-first-death-"
	lastPrefix   = "x-last-death-"
	expiration   = "original-expiration"
	carbonCopies = "CC"
)

// Death is why, when and where a message was dropped.
type Death struct {
	Queue  string
	Reason queue.Reason
	Time   time.Time // told in whole seconds

	Exchange   string // that the message was published to
	RoutingKey string // that it was published with

	// Rerouted says that the queue has a dead-letter routing key, which stands for
	// all keys that the message was published with: its CC header goes.
	Rerouted bool
	// Last is how RabbitMQ does it from 3.13 on: headers x-last-death-* tell of this
	// death, and the entries of x-death are in order, the latest first. Older releases
	// turn the order of all but the first entry round each time.
	Last bool
}

// Record returns the properties of the dead letter. Those given are not changed.
// Its expiration is gone, since it would expire again at once, and noted in x-death.
// What clients put into x-death and is not what RabbitMQ would have is left out. The
// error is from decoding the properties, a *wire.DecodeError, or from encoding them
// with what was added, a *wire.EncodeError.
func Record(raw wire.RawProperties, d Death) (wire.RawProperties, error) {
	p, err := raw.Decode()
	if err != nil {
		return nil, err
	}
	if p.Headers == nil {
		p.Headers = wire.Table{}
	}
	event := d.event(&p)
	d.count(p.Headers, event)
	if d.Rerouted {
		delete(p.Headers, carbonCopies)
	}
	p.Expiration = ""
	p.Present &^= wire.HasExpiration
	return p.Encode()
}

// event is the entry for a death that is the first of its kind.
func (d *Death) event(p *wire.Properties) wire.Table {
	keys := []any{d.RoutingKey}
	if copies, ok := p.Headers[carbonCopies].([]any); ok {
		for _, key := range copies {
			if s, ok := key.(string); ok {
				keys = append(keys, s)
			}
		}
	}
	event := wire.Table{
		"count":        int64(1),
		"reason":       string(d.Reason),
		"queue":        d.Queue,
		"time":         d.Time,
		"exchange":     d.Exchange,
		"routing-keys": keys,
	}
	if p.Present&wire.HasExpiration != 0 {
		event[expiration] = p.Expiration
	}
	return event
}

// count enters the event: a repeated one moves to the front with its count.
func (d *Death) count(headers wire.Table, event wire.Table) {
	before, found := headers[header]
	if !found {
		d.mark(headers, firstPrefix)
	}
	if d.Last {
		d.mark(headers, lastPrefix)
	}
	rest := []any{}
	merged := merge(before)
	if !d.Last {
		slices.Reverse(merged)
	}
	for _, e := range merged {
		if e["queue"] == event["queue"] && e["reason"] == event["reason"] {
			e["count"] = e["count"].(int64) + 1
			event = e
			continue
		}
		rest = append(rest, e)
	}
	headers[header] = append([]any{event}, rest...)
}

func (d *Death) mark(headers wire.Table, prefix string) {
	headers[prefix+"reason"] = string(d.Reason)
	headers[prefix+"queue"] = d.Queue
	headers[prefix+"exchange"] = d.Exchange
}

// merge returns the entries of an x-death header with one entry for each pair of
// queue and reason, the first, and a count in all of them: its own, or how many
// entries there were.
func merge(v any) (merged []wire.Table) {
	entries, _ := v.([]any)
	type kind struct{ queue, reason string }
	kindOf := func(e wire.Table) kind {
		q, _ := e["queue"].(string)
		r, _ := e["reason"].(string)
		return kind{q, r}
	}
	seen := map[kind]int64{}
	for _, v := range entries {
		e, ok := v.(wire.Table)
		if !ok {
			continue
		}
		k := kindOf(e)
		if seen[k]++; seen[k] == 1 {
			merged = append(merged, e)
		}
	}
	for _, e := range merged {
		e["count"] = counted(e["count"], seen[kindOf(e)])
	}
	return merged
}

// counted is a count that a client may have written in another type.
func counted(v any, otherwise int64) int64 {
	switch n := v.(type) {
	case int64:
		return n
	case int32:
		return int64(n)
	}
	return otherwise
}

// Cycle tells whether the dead letter with these properties has been in the queue
// and has come from there to here by no consumer's doing, so that it must be dropped
// instead. It is not asked for a message that was just rejected.
func Cycle(raw wire.RawProperties, name string) bool {
	headers, ok := raw.Headers()
	if !ok {
		return false
	}
	v, _, err := headers.Lookup(header)
	deaths, ok := v.([]any)
	if err != nil || !ok {
		return false
	}
	for _, v := range deaths {
		e, ok := v.(wire.Table)
		if !ok || e["reason"] == string(queue.Rejected) {
			return false
		}
		if e["queue"] == name {
			return true
		}
	}
	return false
}
