package broker

import (
	"fmt"

	"github.com/haypile/haypile/core/wire"
)

// exception is what a client's method raises, in RabbitMQ's words. Codes that are
// hard end the connection, the others the channel.
type exception struct {
	code wire.Code
	text string
}

// raise makes an exception whose text begins with the code's name.
func raise(code wire.Code, format string, args ...any) *exception {
	return &exception{code, clip(code.String() + " - " + fmt.Sprintf(format, args...))}
}

// clip cuts a text to what a short string holds, as RabbitMQ does.
func clip(text string) string {
	const longest = 255
	if len(text) <= longest {
		return text
	}
	return text[:longest-3] + "..."
}

// describe names an entity as RabbitMQ's texts do.
func describe(kind, name, virtualHost string) string {
	return fmt.Sprintf("%s '%s' in vhost '%s'", kind, name, virtualHost)
}

func (v *vhost) queueText(name string) string { return describe("queue", name, v.name) }

func (v *vhost) exchangeText(name string) string { return describe("exchange", name, v.name) }

func (v *vhost) noQueue(name string) *exception {
	return raise(wire.NotFound, "no %s", v.queueText(name))
}

func (v *vhost) noExchange(name string) *exception {
	return raise(wire.NotFound, "no %s", v.exchangeText(name))
}
