package management

import (
	"runtime"

	"github.com/haypile/haypile/broker"
)

// product is what the broker calls itself.
const product = "haypile"

// overview is a list of one.
func (v *view) overview() []object {
	channels := 0
	for i := range v.Connections {
		channels += len(v.Connections[i].Channels)
	}
	ready, unacked := 0, 0
	for _, d := range depths(&v.State) {
		ready, unacked = ready+d[0], unacked+d[1]
	}
	return []object{{
		"product_name":       product,
		"product_version":    v.Version,
		"management_version": v.Version,
		"rabbitmq_version":   v.Profile,
		"go_version":         runtime.Version(),
		"cluster_name":       v.Node,
		"node":               v.Node,
		"rates_mode":         "basic",
		"disable_stats":      false,
		"exchange_types":     exchangeTypes,
		"listeners":          v.listeners(),
		"message_stats":      v.put(object{}, key{}, channelFields(&v.Totals)),
		"queue_totals":       v.put(object{}, key{}, levelFields(ready, unacked)),
		"object_totals": object{
			"channels":    channels,
			"connections": len(v.Connections),
			"consumers":   len(v.Consumers),
			"exchanges":   len(v.Exchanges),
			"queues":      len(v.Queues),
		},
	}}
}

var exchangeTypes = []object{
	{"name": "direct", "enabled": true}, {"name": "fanout", "enabled": true},
	{"name": "headers", "enabled": true}, {"name": "topic", "enabled": true},
}

func (v *view) listeners() []object {
	all := make([]object, 0, len(v.Listeners))
	for _, l := range v.Listeners {
		protocol := "amqp"
		if l.TLS {
			protocol = "amqp/ssl"
		}
		host, port := split(l.Address)
		all = append(all, object{"node": v.Node, "protocol": protocol, "ip_address": host, "port": port})
	}
	return all
}

func (v *view) nodes() []object {
	if !v.named("node", v.Node) {
		return nil
	}
	return []object{{
		"name":         v.Node,
		"type":         "ram",
		"running":      true,
		"uptime":       v.Uptime().Milliseconds(),
		"processors":   runtime.NumCPU(),
		"rates_mode":   "basic",
		"mem_used":     v.Memory,
		"mem_limit":    v.MemoryLimit,
		"mem_alarm":    v.MemoryAlarm,
		"sockets_used": len(v.Connections),
		"partitions":   []string{},
	}}
}

func (v *view) virtualHosts() []object {
	all := make([]object, 0, len(v.VirtualHosts))
	held := depths(&v.State)
	for _, name := range v.VirtualHosts {
		if !v.named("vhost", name) {
			continue
		}
		all = append(all, v.put(object{
			"name":               name,
			"description":        "",
			"tags":               []string{},
			"default_queue_type": "undefined",
			"metadata":           object{"description": "", "tags": []string{}},
			"cluster_state":      object{v.Node: "running"},
			"tracing":            false,
		}, virtualHostKey(name), levelFields(held[name][0], held[name][1])))
	}
	return all
}

// consumers of all queues, or of a virtual host's.
func (v *view) consumers() []object {
	all := make([]object, 0, len(v.Consumers))
	for i := range v.Consumers {
		if c := &v.Consumers[i]; v.named("vhost", c.VirtualHost) {
			all = append(all, v.consumer(c))
		}
	}
	return all
}

func (v *view) consumer(c *broker.ConsumerState) object {
	status := "up"
	if !c.Active {
		status = "waiting"
	}
	return object{
		"arguments":       jsonTable(c.Arguments),
		"ack_required":    !c.NoAck,
		"active":          c.Active,
		"activity_status": status,
		"consumer_tag":    c.Tag,
		"exclusive":       c.Exclusive,
		"prefetch_count":  c.Prefetch,
		"priority":        c.Priority,
		"queue":           object{"name": c.Queue, "vhost": c.VirtualHost},
		"channel_details": v.channelDetails(c),
	}
}
