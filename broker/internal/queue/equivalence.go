package queue

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"

	"github.com/haypile/haypile/broker/internal/erlang"
)

// Equivalent checks that a declaration of the queue that exists with the receiver
// asks for the same. Exclusiveness is not looked at: it is a matter of whose the
// queue is. The error is an *ArgumentError and tells the first difference.
func (c *Config) Equivalent(d *Config) error {
	if err := c.sameFlag("durable", c.Durable, d.Durable); err != nil {
		return err
	}
	if err := c.sameFlag("auto_delete", c.AutoDelete, d.AutoDelete); err != nil {
		return err
	}
	for _, a := range arguments {
		if slices.Contains(a.types, c.Type) {
			if err := c.sameArgument(a.name, d); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Config) sameFlag(name string, current, received bool) error {
	if current == received {
		return nil
	}
	return c.inequivalent(name, bare(received), bare(current))
}

// sameArgument compares as RabbitMQ does: integers by their value, whatever their
// type, and the absence of a type with the type that it stands for.
func (c *Config) sameArgument(name string, d *Config) error {
	current, has := c.Arguments[name]
	received, asks := d.Arguments[name]
	switch {
	case !has && !asks, has && asks && same(current, received):
		return nil
	case name == "x-queue-type" && c.Type == Classic && d.Type == Classic:
		return nil
	case has && asks:
		return c.inequivalent(name, bare(received), bare(current))
	}
	return c.inequivalent(name, typed(received, asks), typed(current, has))
}

func (c *Config) inequivalent(name, received, current string) error {
	return c.refuse(name, "inequivalent arg '%s' for %s: received %s but current is %s", name, c.resource(), received, current)
}

func same(a, b any) bool {
	m, isInt := integer(a)
	n, both := integer(b)
	if isInt && both {
		return m == n
	}
	return reflect.DeepEqual(a, b)
}

// bare is a value where only values differ.
func bare(v any) string { return "'" + plain(v) + "'" }

// typed is a value where there is one on one side only.
func typed(v any, ok bool) string {
	if !ok {
		return "none"
	}
	return fmt.Sprintf("the value '%s' of type '%s'", plain(v), erlang.Type(v))
}

func plain(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	case bool:
		return strconv.FormatBool(v)
	}
	if n, ok := integer(v); ok {
		return strconv.FormatInt(n, 10)
	}
	return fmt.Sprint(v)
}
