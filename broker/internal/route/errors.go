package route

import (
	"fmt"

	"github.com/haypile/haypile/broker/internal/erlang"
	"github.com/haypile/haypile/core/wire"
)

// Error is a refusal as RabbitMQ words it. It matches its code through
// errors.Is(err, wire.NotFound).
type Error struct {
	Code wire.Code
	// Text is the explanation, without the code's name in front and without the
	// virtual host, which a Router does not know.
	Text string

	named bool // Text ends with a name, which is a virtual host's
}

// Error is such as "amqp: NOT_FOUND - no exchange 'x'".
func (e *Error) Error() string { return "amqp: " + e.Code.String() + " - " + e.Text }

// Is matches a target that is the error's reply code.
func (e *Error) Is(target error) bool {
	code, ok := target.(wire.Code)
	return ok && code == e.Code
}

// Reply is the reply text for a client of the virtual host, such as "NOT_FOUND -
// no exchange 'x' in vhost '/'".
func (e *Error) Reply(vhost string) string {
	text := e.Code.String() + " - " + e.Text
	if e.named {
		text += " in vhost '" + vhost + "'"
	}
	return text
}

// ErrDefault: the bindings of the default exchange are fixed.
var ErrDefault = &Error{Code: wire.AccessRefused, Text: "operation not permitted on the default exchange"}

func unknownType(name string) *Error {
	return &Error{Code: wire.CommandInvalid, Text: fmt.Sprintf("unknown exchange type '%s'", name)}
}

func notFound(kind, name string) *Error {
	return &Error{Code: wire.NotFound, Text: fmt.Sprintf("no %s '%s'", kind, name), named: true}
}

func kind(exchange bool) string {
	if exchange {
		return "exchange"
	}
	return "queue"
}

func wrongType(exchange, argument string, v any) *Error {
	return &Error{
		Code:  wire.PreconditionFailed,
		Text:  fmt.Sprintf("invalid type '%s' for arg '%s' in exchange '%s'", erlang.Type(v), argument, exchange),
		named: true,
	}
}
