package management

import "github.com/haypile/haypile/broker"

func (v *view) queues() []object {
	all := make([]object, 0, len(v.Queues))
	for i := range v.Queues {
		if q := &v.Queues[i]; v.named("vhost", q.VirtualHost) && v.named("queue", q.Name) {
			all = append(all, v.queue(q))
		}
	}
	return all
}

// queueInFull is the queue that the path names, with its consumers.
func (v *view) queueInFull() []object {
	all := v.queues()
	for _, o := range all {
		consumers := []object{}
		for i := range v.Consumers {
			if c := &v.Consumers[i]; c.VirtualHost == o["vhost"] && c.Queue == o["name"] {
				consumers = append(consumers, v.consumer(c))
			}
		}
		o["consumer_details"] = consumers
		o["deliveries"], o["incoming"] = []object{}, []object{}
	}
	return all
}

func (v *view) queue(q *broker.QueueState) object {
	bytes := q.ReadyBytes + q.UnackedBytes
	o := object{
		"name":                         q.Name,
		"node":                         v.Node,
		"vhost":                        q.VirtualHost,
		"type":                         q.Type,
		"state":                        "running",
		"durable":                      q.Durable,
		"auto_delete":                  q.AutoDelete,
		"exclusive":                    q.Exclusive,
		"arguments":                    jsonTable(q.Arguments),
		"policy":                       nil,
		"operator_policy":              nil,
		"effective_policy_definition":  object{},
		"consumers":                    q.Consumers,
		"exclusive_consumer_tag":       orNull(q.ExclusiveConsumer),
		"single_active_consumer_tag":   orNull(q.ActiveConsumer),
		"head_message_timestamp":       headTimestamp(q),
		"memory":                       bytes,
		"message_bytes":                bytes,
		"message_bytes_ram":            bytes,
		"message_bytes_ready":          q.ReadyBytes,
		"message_bytes_unacknowledged": q.UnackedBytes,
		"messages_ram":                 q.Messages(),
		"messages_ready_ram":           q.Ready,
		"messages_unacknowledged_ram":  q.Unacked,
		"messages_persistent":          q.Persistent,
		"message_stats":                v.put(object{}, queueKey(q), queueFields(&q.Totals)),
	}
	if !q.IdleSince.IsZero() {
		o["idle_since"] = q.IdleSince.UTC().Format("2006-01-02T15:04:05.000-07:00")
	}
	if owner := v.links[q.Owner]; owner != nil {
		host, port := split(owner.PeerAddress)
		o["owner_pid_details"] = object{"name": q.Owner, "peer_host": host, "peer_port": port}
	}
	return v.put(o, queueKey(q), levelFields(q.Ready, q.Unacked))
}

func headTimestamp(q *broker.QueueState) any {
	if q.Head == nil || q.Head.Timestamp.IsZero() {
		return nil
	}
	return q.Head.Timestamp.Unix()
}
