package management

import (
	"sync"
	"time"

	"github.com/haypile/haypile/broker"
)

// period is how old a sample gets before the next one is taken.
const period = 5 * time.Second

// rates keeps the two latest samples, so that a rate is over one to two periods
// while somebody asks at least once in each.
type rates struct {
	mu       sync.Mutex
	previous *sample
	current  *sample
}

// sample is the values of all fields that have a rate, at one time.
type sample struct {
	at     time.Time
	values map[key][]field
}

// key names an object of which there are samples. The zero key is the whole.
type key struct{ kind, virtualHost, name string }

// field is a number that has a rate: a counter, or a level that also falls.
type field struct {
	name  string
	value int64
	level bool
}

// reference is the sample to compute rates against, which is s itself at first.
func (r *rates) reference(s *broker.State, now time.Time) *sample {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current == nil || now.Sub(r.current.at) >= period {
		r.previous, r.current = r.current, take(s, now)
	}
	if r.previous != nil {
		return r.previous
	}
	return r.current
}

func take(s *broker.State, now time.Time) *sample {
	values := make(map[key][]field, 1+len(s.Connections)+len(s.Exchanges)+len(s.Queues))
	values[key{}] = channelFields(&s.Totals)
	ready, unacked := 0, 0
	for name, d := range depths(s) {
		values[virtualHostKey(name)] = levelFields(d[0], d[1])
		ready, unacked = ready+d[0], unacked+d[1]
	}
	values[key{}] = append(values[key{}], levelFields(ready, unacked)...)
	for i := range s.Connections {
		c := &s.Connections[i]
		values[connectionKey(c)] = trafficFields(c)
		for j := range c.Channels {
			ch := &c.Channels[j]
			values[channelKey(c, ch)] = channelFields(&ch.Totals)
		}
	}
	for i := range s.Exchanges {
		x := &s.Exchanges[i]
		values[exchangeKey(x)] = exchangeFields(x)
	}
	for i := range s.Queues {
		q := &s.Queues[i]
		values[queueKey(q)] = append(levelFields(q.Ready, q.Unacked), queueFields(&q.Totals)...)
	}
	return &sample{at: now, values: values}
}

// put adds the fields to o, each with its rate. What was not there when the
// sample was taken has counted from nothing since.
func (v *view) put(o object, k key, fields []field) object {
	seconds := v.now.Sub(v.reference.at).Seconds()
	for _, f := range fields {
		rate := 0.0
		if seconds > 0 {
			rate = float64(f.value-valueOf(v.reference.values[k], f.name)) / seconds
			if rate < 0 && !f.level {
				rate = 0 // it has begun anew under the same name
			}
		}
		o[f.name] = f.value
		o[f.name+"_details"] = object{"rate": rate}
	}
	return o
}

func valueOf(fields []field, name string) int64 {
	for _, f := range fields {
		if f.name == name {
			return f.value
		}
	}
	return 0
}

// channelFields is message_stats of a channel and of the whole.
func channelFields(t *broker.Totals) []field {
	return append(queueFields(t),
		field{name: "confirm", value: int64(t.Confirmed)},
		field{name: "return_unroutable", value: int64(t.Returned)},
		field{name: "drop_unroutable", value: int64(t.Unroutable)})
}

// queueFields is message_stats of a queue.
func queueFields(t *broker.Totals) []field {
	return []field{
		{name: "publish", value: int64(t.Published)},
		{name: "deliver", value: int64(t.Delivered)},
		{name: "deliver_no_ack", value: int64(t.DeliveredNoAck)},
		{name: "get", value: int64(t.Got)},
		{name: "get_no_ack", value: int64(t.GotNoAck)},
		{name: "get_empty", value: int64(t.GotEmpty)},
		{name: "deliver_get", value: int64(t.Delivered + t.DeliveredNoAck + t.Got + t.GotNoAck)},
		{name: "redeliver", value: int64(t.Redelivered)},
		{name: "ack", value: int64(t.Acked)},
	}
}

func exchangeFields(x *broker.ExchangeState) []field {
	return []field{{name: "publish_in", value: int64(x.In)}, {name: "publish_out", value: int64(x.Out)}}
}

func trafficFields(c *broker.ConnectionState) []field {
	return []field{
		{name: "recv_oct", value: int64(c.Traffic.BytesReceived)},
		{name: "send_oct", value: int64(c.Traffic.BytesSent)},
	}
}

func levelFields(ready, unacked int) []field {
	return []field{
		{name: "messages", value: int64(ready + unacked), level: true},
		{name: "messages_ready", value: int64(ready), level: true},
		{name: "messages_unacknowledged", value: int64(unacked), level: true},
	}
}

// depths is what the queues of each virtual host hold, ready and unacked.
func depths(s *broker.State) map[string][2]int {
	all := make(map[string][2]int, len(s.VirtualHosts))
	for i := range s.Queues {
		q := &s.Queues[i]
		d := all[q.VirtualHost]
		all[q.VirtualHost] = [2]int{d[0] + q.Ready, d[1] + q.Unacked}
	}
	return all
}

func connectionKey(c *broker.ConnectionState) key { return key{kind: "connection", name: c.Name} }
func channelKey(c *broker.ConnectionState, ch *broker.ChannelState) key {
	return key{kind: "channel", name: channelName(c, ch)}
}
func exchangeKey(x *broker.ExchangeState) key { return key{"exchange", x.VirtualHost, x.Name} }
func queueKey(q *broker.QueueState) key       { return key{"queue", q.VirtualHost, q.Name} }
func virtualHostKey(name string) key          { return key{kind: "vhost", name: name} }
