package management

import (
	"fmt"
	"net"
	"strconv"

	"github.com/haypile/haypile/broker"
)

func (v *view) connections() []object {
	all := make([]object, 0, len(v.Connections))
	for i := range v.Connections {
		if c := &v.Connections[i]; v.named("connection", c.Name) && v.named("vhost", c.VirtualHost) {
			all = append(all, v.connection(c))
		}
	}
	return all
}

func (v *view) connection(c *broker.ConnectionState) object {
	host, port := split(c.LocalAddress)
	peerHost, peerPort := split(c.PeerAddress)
	o := object{
		"name":                      c.Name,
		"node":                      v.Node,
		"type":                      "network",
		"protocol":                  "AMQP 0-9-1",
		"state":                     c.State,
		"user":                      c.User,
		"user_who_performed_action": c.User,
		"vhost":                     c.VirtualHost,
		"auth_mechanism":            c.Mechanism,
		"client_properties":         jsonTable(c.Properties),
		"connected_at":              c.OpenedAt.UnixMilli(),
		"host":                      host,
		"port":                      port,
		"peer_host":                 peerHost,
		"peer_port":                 peerPort,
		"ssl":                       c.TLS != "",
		"ssl_protocol":              orNull(c.TLS),
		"channels":                  len(c.Channels),
		"channel_max":               c.ChannelMax,
		"frame_max":                 c.FrameMax,
		"timeout":                   int(c.Heartbeat.Seconds()),
		"recv_cnt":                  c.Traffic.FramesReceived,
		"send_cnt":                  c.Traffic.FramesSent,
		"send_pend":                 c.Buffered,
	}
	if c.ProvidedName != "" {
		o["user_provided_name"] = c.ProvidedName
	}
	return v.put(o, connectionKey(c), trafficFields(c))
}

func (v *view) channels() []object {
	all := []object{}
	for i := range v.Connections {
		c := &v.Connections[i]
		if !v.named("connection", c.Name) || !v.named("vhost", c.VirtualHost) {
			continue
		}
		for j := range c.Channels {
			if ch := &c.Channels[j]; v.named("channel", channelName(c, ch)) {
				all = append(all, v.channel(c, ch))
			}
		}
	}
	return all
}

func (v *view) channel(c *broker.ConnectionState, ch *broker.ChannelState) object {
	host, port := split(c.PeerAddress)
	return object{
		"name":                      channelName(c, ch),
		"node":                      v.Node,
		"number":                    ch.Number,
		"state":                     ch.State,
		"user":                      c.User,
		"user_who_performed_action": c.User,
		"vhost":                     c.VirtualHost,
		"confirm":                   ch.Confirm,
		"transactional":             ch.Tx,
		"prefetch_count":            ch.Prefetch,
		"global_prefetch_count":     ch.GlobalPrefetch,
		"consumer_count":            ch.Consumers,
		"messages_unacknowledged":   ch.Unacked,
		"messages_unconfirmed":      ch.Unconfirmed,
		"messages_uncommitted":      ch.Uncommitted,
		"acks_uncommitted":          ch.UncommittedAcks,
		"connection_details":        object{"name": c.Name, "peer_host": host, "peer_port": port},
		"message_stats":             v.put(object{}, channelKey(c, ch), channelFields(&ch.Totals)),
	}
}

// channelDetails is the channel of a consumer. Its connection is gone from the
// state only if the two were not of one moment.
func (v *view) channelDetails(c *broker.ConsumerState) object {
	o := object{
		"name":            fmt.Sprintf("%s (%d)", c.Connection, c.Channel),
		"node":            v.Node,
		"number":          c.Channel,
		"connection_name": c.Connection,
	}
	if link := v.links[c.Connection]; link != nil {
		o["user"] = link.User
		o["peer_host"], o["peer_port"] = split(link.PeerAddress)
	}
	return o
}

func channelName(c *broker.ConnectionState, ch *broker.ChannelState) string {
	return fmt.Sprintf("%s (%d)", c.Name, ch.Number)
}

// split takes host:port apart. An address without a port, such as that of a
// connection in memory, is all host.
func split(address string) (host string, port int) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return address, 0
	}
	if port, err = strconv.Atoi(text); err != nil {
		return address, 0
	}
	return host, port
}

// orNull is what RabbitMQ says for a text that is not there.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}
