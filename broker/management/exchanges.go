package management

import (
	"encoding/base64"
	"encoding/json"
	"hash/fnv"
	"net/url"
	"strings"

	"github.com/haypile/haypile/broker"
)

func (v *view) exchanges() []object {
	all := make([]object, 0, len(v.Exchanges))
	for i := range v.Exchanges {
		if x := &v.Exchanges[i]; v.named("vhost", x.VirtualHost) && v.named("exchange", x.Name) {
			all = append(all, v.exchange(x))
		}
	}
	return all
}

func (v *view) exchange(x *broker.ExchangeState) object {
	return object{
		"name":          x.Name,
		"vhost":         x.VirtualHost,
		"type":          x.Type,
		"durable":       x.Durable,
		"auto_delete":   x.AutoDelete,
		"internal":      x.Internal,
		"arguments":     jsonTable(x.Arguments),
		"message_stats": v.put(object{}, exchangeKey(x), exchangeFields(x)),
	}
}

// predeclared is 1 for the exchanges that every virtual host has, else 0.
func predeclared(x *broker.ExchangeState) int {
	if x.Name == "" || strings.HasPrefix(x.Name, "amq.") {
		return 1
	}
	return 0
}

// bindings of the virtual host, the source, the queue and the exchange bound that
// the path names.
func (v *view) bindings() []object {
	toQueue, toExchange := v.request.PathValue("queue"), v.request.PathValue("toexchange")
	all := make([]object, 0, len(v.Bindings))
	for i := range v.Bindings {
		b := &v.Bindings[i]
		switch {
		case !v.named("vhost", b.VirtualHost) || !v.named("exchange", b.Source):
		case toQueue != "" && (b.ToExchange || b.Destination != toQueue):
		case toExchange != "" && (!b.ToExchange || !v.named("toexchange", b.Destination)):
		default:
			all = append(all, bindingObject(b))
		}
	}
	return all
}

func bindingObject(b *broker.BindingState) object {
	kind := "queue"
	if b.ToExchange {
		kind = "exchange"
	}
	return object{
		"source":           b.Source,
		"vhost":            b.VirtualHost,
		"destination":      b.Destination,
		"destination_type": kind,
		"routing_key":      b.RoutingKey,
		"arguments":        jsonTable(b.Arguments),
		"properties_key":   propertiesKey(b),
	}
}

// propertiesKey tells bindings between the same two apart: by the routing key and
// a hash of the arguments, which is not RabbitMQ's, as that is of Erlang's terms.
func propertiesKey(b *broker.BindingState) string {
	key := url.QueryEscape(b.RoutingKey)
	if len(b.Arguments) == 0 {
		if key == "" {
			return "~"
		}
		return key
	}
	text, _ := json.Marshal(jsonTable(b.Arguments)) // has nothing that cannot be encoded
	sum := fnv.New32a()
	sum.Write(text)
	return key + "~" + base64.RawURLEncoding.EncodeToString(sum.Sum(nil))
}
