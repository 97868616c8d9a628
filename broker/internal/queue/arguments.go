package queue

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/haypile/haypile/broker/internal/erlang"
	"github.com/haypile/haypile/core/wire"
)

// ArgumentError is a declaration or a subscription that is refused. Its text is
// RabbitMQ's own, without the name of the code that goes in front of it in a
// channel.close, and so does not begin as the texts of other errors do.
type ArgumentError struct {
	Code     wire.Code // mostly wire.PreconditionFailed
	Argument string    // such as "x-expires"; empty if it is no argument
	Text     string
}

// Error is Text.
func (e *ArgumentError) Error() string { return e.Text }

// refuse is an error about an argument.
func (c *Config) refuse(arg, format string, v ...any) error {
	return &ArgumentError{wire.PreconditionFailed, arg, fmt.Sprintf(format, v...)}
}

// resource is what RabbitMQ calls the queue.
func (c *Config) resource() string { return fmt.Sprintf("queue '%s' in vhost '%s'", c.Name, c.VHost) }

// validator tells what is wrong with a value, in the words of RabbitMQ's terms, or
// returns the empty string.
type validator func(v any, args wire.Table) (wrong string)

// argument is one that RabbitMQ knows.
type argument struct {
	name  string
	types []Type    // of the queues that may have it
	check validator // nil: any value will do
}

const (
	maxMilliseconds = 10 * 365 * 24 * 60 * 60 * 1000 // ten years
	maxPriority     = 255
)

var (
	everywhere  = []Type{Classic, Quorum}
	onlyClassic = []Type{Classic}
	onlyQuorum  = []Type{Quorum}
)

// arguments are in the order in which RabbitMQ checks them.
var arguments = []argument{
	{"x-expires", everywhere, checkExpires},
	{"x-message-ttl", everywhere, checkMilliseconds},
	{"x-dead-letter-exchange", everywhere, nil},
	{"x-dead-letter-routing-key", everywhere, checkDeadLetterKey},
	{"x-dead-letter-strategy", onlyQuorum, oneOf("invalid_dlx_strategy", "at-most-once", "at-least-once")},
	{"x-max-length", everywhere, checkNotNegative},
	{"x-max-length-bytes", everywhere, checkNotNegative},
	{"x-max-in-memory-length", onlyQuorum, checkNotNegative},
	{"x-max-in-memory-bytes", onlyQuorum, checkNotNegative},
	{"x-max-priority", onlyClassic, checkMaxPriority},
	{"x-overflow", everywhere, oneOf("invalid_overflow", string(DropHead), string(RejectPublish), string(RejectPublishDLX))},
	{"x-queue-mode", onlyClassic, checkQueueMode},
	{"x-queue-version", onlyClassic, checkQueueVersion},
	{"x-single-active-consumer", everywhere, checkBool},
	{"x-queue-type", everywhere, nil},
	{"x-quorum-initial-group-size", onlyQuorum, checkGroupSize},
	{"x-delivery-limit", onlyQuorum, nil},
	{"x-queue-leader-locator", onlyQuorum, oneOf("invalid_queue_locator_arg", "client-local", "balanced")},
	{"x-queue-master-locator", onlyClassic, nil},
	{"x-max-age", nil, nil},
	{"x-stream-max-segment-size-bytes", nil, nil},
	{"x-initial-cluster-size", nil, nil},
}

// check checks the arguments, and the flags against the type, which it sets.
func (c *Config) check() error {
	if v, ok := c.Arguments["x-dead-letter-exchange"]; ok {
		if _, ok := v.(string); !ok {
			return c.refuse("x-dead-letter-exchange", "invalid type '%s' for arg 'x-dead-letter-exchange' in %s", erlang.Type(v), c.resource())
		}
	}
	if err := c.checkType(); err != nil {
		return err
	}
	for _, a := range arguments {
		v, ok := c.Arguments[a.name]
		if !ok || a.check == nil || !slices.Contains(a.types, c.Type) {
			continue
		}
		if wrong := a.check(v, c.Arguments); wrong != "" {
			return c.refuse(a.name, "invalid arg '%s' for %s: %s", a.name, c.resource(), wrong)
		}
	}
	if err := c.checkForeign(); err != nil {
		return err
	}
	if c.Type == Quorum {
		return c.checkReplicated()
	}
	return nil
}

func (c *Config) checkType() error {
	v, ok := c.Arguments["x-queue-type"]
	if !ok {
		return nil
	}
	name, ok := v.(string)
	switch {
	case !ok:
		return c.refuse("x-queue-type", "invalid arg 'x-queue-type' for %s: %s", c.resource(), unacceptable(v))
	case name == "stream":
		if err := c.checkReplicated(); err != nil {
			return err
		}
		return &ArgumentError{wire.NotImplemented, "x-queue-type", "streams are not supported by this broker"}
	case name != string(Classic) && name != string(Quorum):
		return c.refuse("x-queue-type", "invalid arg 'x-queue-type' for %s: %s", c.resource(), quote("unsupported queue type '"+name+"'"))
	}
	c.Type = Type(name)
	return nil
}

// checkForeign refuses arguments that only queues of another type have.
func (c *Config) checkForeign() error {
	for _, name := range slices.Sorted(maps.Keys(c.Arguments)) {
		for _, a := range arguments {
			if a.name == name && !slices.Contains(a.types, c.Type) {
				return c.refuse(name, "invalid arg '%s' for %s of queue type rabbit_%s_queue", name, c.resource(), c.Type)
			}
		}
	}
	return nil
}

// checkReplicated refuses what a queue cannot be whose type is for many nodes.
func (c *Config) checkReplicated() error {
	switch {
	case c.AutoDelete:
		return c.refuse("", "invalid property 'auto-delete' for %s", c.resource())
	case c.Exclusive:
		return c.refuse("", "invalid property 'exclusive-owner' for %s", c.resource())
	case !c.Durable:
		return c.refuse("", "invalid property 'non-durable' for %s", c.resource())
	}
	return nil
}

// ConsumerPriority is the argument x-priority of a subscription to the queue, 0 if
// there is none. The error is an *ArgumentError.
func (c *Config) ConsumerPriority(args wire.Table) (int, error) {
	v, ok := args["x-priority"]
	if !ok {
		return 0, nil
	}
	n, ok := integer(v)
	if !ok {
		return 0, c.refuse("x-priority", "invalid arg 'x-priority' for %s: %s", c.resource(), expectedInteger(v))
	}
	return int(n), nil
}

func checkNotNegative(v any, _ wire.Table) string {
	n, ok := integer(v)
	switch {
	case !ok:
		return expectedInteger(v)
	case n < 0:
		return term("value_negative", n)
	}
	return ""
}

func checkMilliseconds(v any, args wire.Table) string {
	if n, _ := integer(v); n > maxMilliseconds {
		return term("value_too_large", n)
	}
	return checkNotNegative(v, args)
}

func checkExpires(v any, args wire.Table) string {
	if zero(v) {
		return term("value_zero", 0)
	}
	return checkMilliseconds(v, args)
}

func checkGroupSize(v any, args wire.Table) string {
	if zero(v) {
		return term("value_zero", 0)
	}
	return checkNotNegative(v, args)
}

func zero(v any) bool {
	n, ok := integer(v)
	return ok && n == 0
}

func checkMaxPriority(v any, args wire.Table) string {
	if n, _ := integer(v); n > maxPriority {
		return term("max_value_exceeded", n)
	}
	return checkNotNegative(v, args)
}

func checkQueueVersion(v any, args wire.Table) string {
	if n, ok := integer(v); ok && (n == 0 || n > 2) {
		return quote(fmt.Sprintf("unsupported queue version '%d'", n))
	}
	return checkNotNegative(v, args)
}

func checkQueueMode(v any, _ wire.Table) string {
	switch s, ok := v.(string); {
	case !ok:
		return unacceptable(v)
	case s != "default" && s != "lazy":
		return quote("unsupported queue mode '" + s + "'")
	}
	return ""
}

func checkDeadLetterKey(v any, args wire.Table) string {
	if _, ok := v.(string); !ok {
		return unacceptable(v)
	}
	if _, ok := args["x-dead-letter-exchange"]; !ok {
		return "routing_key_but_no_dlx_defined"
	}
	return ""
}

func checkBool(v any, _ wire.Table) string {
	if _, ok := v.(bool); !ok {
		return unacceptable(v)
	}
	return ""
}

// oneOf is a validator for a string of a fixed set.
func oneOf(wrong string, names ...string) validator {
	return func(v any, _ wire.Table) string {
		switch s, ok := v.(string); {
		case !ok:
			return unacceptable(v)
		case !slices.Contains(names, s):
			return wrong
		}
		return ""
	}
}

func expectedInteger(v any) string { return quote("expected integer, got " + erlang.Type(v)) }

func unacceptable(v any) string { return "{unacceptable_type," + erlang.Type(v) + "}" }

func term(name string, n int64) string { return "{" + name + "," + strconv.FormatInt(n, 10) + "}" }

// quote writes a string as RabbitMQ prints one inside a term.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
