package broker

import (
	"cmp"

	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

func (b *Broker) serve(p *place) {
	p.server = driver.Serve(b.loop, p.listener, b.serveOptions(p))
	b.noteListeners()
}

// serveOptions are how clients are served who come to a place.
func (b *Broker) serveOptions(p *place) driver.ServeOptions {
	return driver.ServeOptions{
		NewHandler: func(d *driver.Conn) core.ServerHandler { return b.handler(b.newSession(d, p.tls != nil)) },
		Server:     b.serverConfig(),
		TLS:        p.tls,
		OnError:    func(err error) { b.settings.logger.Warn(err.Error()) },
	}
}

func (b *Broker) serverConfig() core.ServerConfig {
	cfg := b.settings.server
	cfg.Mechanisms = []string{"PLAIN", "AMQPLAIN"}
	cfg.MaxBuffered = cmp.Or(cfg.MaxBuffered, coreRoom) // what waits longer is better off in its queue
	cfg.MaxMessage = cmp.Or(cfg.MaxMessage, max(core.DefaultMaxMessage, b.settings.maxMessage))
	cfg.Properties = wire.Table{
		// Clients behave by product and version: kombu, for one, by how prefetch works.
		"product": "RabbitMQ", "version": b.traits.version, "platform": "haypile " + core.Version,
		"information":  "An AMQP 0-9-1 broker in memory, for tests and demos",
		"cluster_name": b.node(),
		"capabilities": wire.Table{
			"publisher_confirms": true, "exchange_exchange_bindings": true, "basic.nack": true,
			"consumer_cancel_notify": true, "connection.blocked": true, "consumer_priorities": true,
			"authentication_failure_close": true, "per_consumer_qos": true, "direct_reply_to": true,
		},
	}
	return cfg
}
